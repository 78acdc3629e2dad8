"""What the script of an SSH host is made of beside its document: POSIX shell, run as root."""

from __future__ import annotations

STATE = "/var/lib/crossgate/host"
"""Where a host remembers what was put there, for root alone; its parent goes with it."""

HOST_SCRIPT = f"{STATE}/host.sh"
"""The script that was last applied; it can also check and remove."""

HEAD = (
    r"""
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=$(getent passwd 0 | cut -d: -f6)
export HOME LC_ALL=C DEBIAN_FRONTEND=noninteractive
records=STATE
stage=$records/stage
lock=/run/crossgate-host.lock

step=start
finish() {
  status=$?
  remember_packages
  rm -rf "$stage"
  if [ "$status" != 0 ] && [ -n "$step" ]; then
    echo "crossgate: $host: failed at: $step (exit status $status)" >&2
  fi
}

begin() {
  step=$*
  echo "crossgate: $host: $step"
}

fail() {
  echo "crossgate: $host: $*" >&2
  step=
  exit 1
}
"""
).replace("STATE", STATE)

STAGING = r"""
# What the document says is first written down beside what was applied last.
part() { # KEY
  here=$stage/parts/$1
  mkdir -p "$here"
  echo "$1" >>"$stage/order"
  number=0
}

file() { # MODE OWNER PATH TEXT
  number=$((number + 1))
  printf %s "$4" >"$here/$number"
  echo "$1 $2 $number $3" >>"$here/files"
  echo "$3" >>"$stage/files"
}

file_base64() { # MODE OWNER PATH TEXT
  file "$1" "$2" "$3" ""
  printf %s "$4" | base64 --decode >"$here/$number"
}

package() { echo "$1" >>"$here/packages"; }
user() { echo "$1 $2" >>"$here/users"; }
line() { printf '%s\n' "$2" >>"$here/$1"; } # WHEN LINE
makes() { echo "$1" >>"$stage/makes"; }
unit() { # NAME OWN|OTHERS ENABLE|LEAVE PART...
  name=$1 own=$2 enable=$3
  shift 3
  [ "$own" = others ] || echo "$name" >>"$stage/units"
  [ "$enable" = leave ] || echo "$name" >>"$stage/enabled"
  echo "$name $*" >>"$stage/concerns"
}
extends() { echo "$1 $2" >>"$stage/extends"; } # UNIT PART

sum() { # PART
  (cd "$stage/parts/$1" && find . -type f | sort | xargs -r sha256sum | sha256sum | cut -c1-64)
}
"""

RECORDS = r"""
recorded() { grep -qxF -e "$2" "$records/$1" 2>/dev/null; } # LIST LINE
record() { recorded "$1" "$2" || echo "$2" >>"$records/$1"; }
forget() {
  grep -vxF -e "$2" "$records/$1" >"$records/$1.new" || true
  mv "$records/$1.new" "$records/$1"
}
listed() { [ ! -e "$1" ] || cat "$1"; } # FILE
gone() { # LIST: what was put there and is wanted no more
  listed "$records/$1" | while read -r name; do
    grep -qxF -e "$name" "$stage/$1" 2>/dev/null || echo "$name"
  done
}

installed() {
  dpkg-query -W -f='${db:Status-Abbrev} ${binary:Package}\n' | awk '$1 == "ii" { print $2 }' | sort
}
remember_packages() {
  [ -s "$stage/installed" ] || return 0
  installed >"$stage/installed.now"
  comm -13 "$stage/installed" "$stage/installed.now" | while read -r name; do
    record packages "$name"
  done
}

directories() { # DIRECTORY: made, and remembered where it was not there
  [ ! -d "$1" ] || return 0
  directories "$(dirname "$1")"
  record directories "$1"
  mkdir "$1"
}

put() { # FROM MODE OWNER PATH
  cmp -s "$1" "$4" && return 0
  directories "$(dirname "$4")"
  if { [ -e "$4" ] || [ -L "$4" ]; } && ! recorded files "$4"; then
    mkdir -p "$records/kept$(dirname "$4")"
    cp -a "$4" "$records/kept$4"
  fi
  record files "$4"
  cp "$1" "$4.crossgate-new"
  chmod "$2" "$4.crossgate-new"
  chown "$3" "$4.crossgate-new" 2>/dev/null || true # its user may still have to be made
  mv -f "$4.crossgate-new" "$4"
}

own() { # OWNER MODE PATH
  [ "$(stat -c '%U:%G %04a' "$3")" = "$1 $2" ] && return 0
  chown "$1" "$3"
  chmod "$2" "$3"
}

drop_file() { # PATH
  rm -f "$1"
  if [ -e "$records/kept$1" ] || [ -L "$records/kept$1" ]; then
    mv "$records/kept$1" "$1"
  fi
  forget files "$1"
}

drop_unit() { # NAME
  systemctl --quiet disable --now "$1" 2>/dev/null || true
  forget units "$1"
}

add_user() { # NAME HOME
  if ! getent group "$1" >/dev/null; then
    record groups "$1"
    groupadd --system "$1"
  fi
  if ! getent passwd "$1" >/dev/null; then
    record users "$1"
    useradd --system --gid "$1" --home-dir "$2" --no-create-home --shell /usr/sbin/nologin "$1"
  fi
}
"""

HEALTH = r"""
# Well: every unit is active, or ran and succeeded, every port answers, and for three seconds
# nothing starts anew. Prints what it saw, a problem behind a mark.
look() {
  for unit in $(listed "$records/watched"); do
    active=$(systemctl show --property=ActiveState --value "$unit")
    if [ "$active" != active ]; then
      how=$(systemctl show --property=Type,Result "$unit" | sort | tr '\n' ' ')
      if [ "$active $how" != "inactive Result=success Type=oneshot " ]; then
        echo "!$unit is $active"
        return
      fi
    fi
    echo "$unit $(systemctl show --property=MainPID,NRestarts "$unit" | tr '\n' ' ')"
  done
  for port in $ports; do
    if [ -z "$(ss -Hltn "sport = :$port")" ]; then
      echo "!nothing listens on port $port"
      return
    fi
  done
}

wait_until_well() {
  begin "waiting until it is well"
  end=$(($(date +%s) + deadline)) calm=0 seen=
  while [ "$calm" -lt 3 ]; do
    now=$(look)
    if [ "$now" = "$seen" ] && [ "${now%!*}" = "$now" ]; then calm=$((calm + 1)); else calm=0; fi
    seen=$now
    [ "$calm" -lt 3 ] || break
    if [ "$(date +%s)" -ge "$end" ]; then
      case $now in *!*) why=${now##*!} ;; *) why="its units start again and again" ;; esac
      fail "is not well after $deadline s: $why; look at: journalctl -b -p warning"
    fi
    sleep 1
  done
  if [ -e "$records/left" ]; then
    begin "taking work again"
    run_lines rejoin
    rm -f "$records/left"
  fi
  : >"$records/established"
}

run_lines() { # WHEN
  # shellcheck source=/dev/null
  [ ! -e "$records/$1" ] || (. "$records/$1")
}
"""

APPLY = r"""
take_lock() {
  exec 9>"$lock"
  flock -w 300 9 || fail "somebody else has been working here for five minutes"
}

# A host changes hands within a cloud, whose name is the first word of the owner; no other way.
hand_over() {
  had=$(listed "$records/owner")
  if [ -z "$had" ] || [ "$had" = "$owner" ]; then return 0; fi
  [ "${had%%:*}" = "${owner%%:*}" ] || fail "carries $had; destroy that before $owner comes here"
  begin "taking away $had"
  flock --unlock 9
  sh "$records/host.sh" remove
  take_lock
}

apply() {
  step="looking at what is there"
  take_lock
  hand_over
  mkdir -p "$records/sums"
  chmod 0700 "$records"
  rm -rf "$stage"
  free=$(df -Pk "$records" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge 65536 ] || fail "its disk is full: $records has $free KiB left, 65536 are wanted"
  mkdir "$stage"
  document
  echo "$owner" >"$records/owner"
  cmp -s "$0" "$records/host.sh" || install -m 0700 "$0" "$records/host.sh"
  changed=
  for key in $(listed "$stage/order"); do
    sum "$key" >"$stage/sum.$key"
    cmp -s "$stage/sum.$key" "$records/sums/$key" || changed="$changed $key"
  done
  lost=$(gone units; gone enabled; gone files)
  if [ -n "$changed$lost" ]; then change; fi
  if [ -e "$records/established" ]; then wait_until_well; fi
  begin "done, ${changed:+changed:}${changed:-nothing to change}"
}

is_changed() { # PART...
  for key; do
    case " $changed " in *" $key "*) return 0 ;; esac
  done
  return 1
}

change() {
  installed >"$stage/installed"
  listed "$stage/enabled" >"$records/watched"
  for when in leave rejoin; do
    for key in $(listed "$stage/order"); do listed "$stage/parts/$key/$when"; done >"$records/$when"
  done
  restarts=$(listed "$stage/concerns" | while read -r name keys; do
    # shellcheck disable=SC2086 # a list of names
    ! is_changed $keys || echo "$name"
  done)
  ends=$restarts$(gone units)
  if [ -e "$records/established" ] && [ -n "$ends" ] && [ -s "$records/leave" ]; then
    begin "leaving work"
    : >"$records/left"
    run_lines leave
  fi
  begin "files of$changed"
  for name in $(gone units); do drop_unit "$name"; done
  for name in $(gone enabled); do
    systemctl --quiet disable --now "$name" 2>/dev/null || true
    forget enabled "$name"
  done
  for name in $(gone files); do drop_file "$name"; done
  for name in $(listed "$stage/units"); do record units "$name"; done
  for path in $(listed "$stage/makes"); do [ -e "$path" ] || record makes "$path"; done
  listed "$stage/extends" | while read -r name key; do
    grep -q "^$name " "$records/extended" 2>/dev/null ||
      record extended "$name $(systemctl is-active "$name" || true)"
  done
  for key in $changed; do
    listed "$stage/parts/$key/files" >"$stage/now"
    while read -r mode owner_ number path; do
      put "$stage/parts/$key/$number" "$mode" "$owner_" "$path"
    done <"$stage/now"
  done
  for key in $changed; do
    names=$(listed "$stage/parts/$key/packages" | tr '\n' ' ')
    if [ -n "$names" ]; then
      begin "packages $names"
      # shellcheck disable=SC2086 # a list of names
      retry install_packages $names
    fi
  done
  for key in $changed; do
    listed "$stage/parts/$key/users" >"$stage/now"
    while read -r name home; do add_user "$name" "$home"; done <"$stage/now"
    listed "$stage/parts/$key/files" >"$stage/now"
    while read -r mode owner_ number path; do own "$owner_" "$mode" "$path"; done <"$stage/now"
  done
  for key in $changed; do run_part before; done
  remember_packages
  start_units
  for key in $changed; do run_part after; done
  for key in $changed; do cp "$stage/sum.$key" "$records/sums/$key"; done
}

run_part() { # WHEN
  [ -e "$stage/parts/$key/$1" ] || return 0
  begin "$key: commands $1 its units start"
  # shellcheck source=/dev/null
  (. "$stage/parts/$key/$1")
}

start_units() {
  begin "units $restarts"
  systemctl daemon-reload
  for name in $(listed "$stage/enabled"); do
    systemctl --quiet is-enabled "$name" >/dev/null 2>&1 && continue
    record enabled "$name"
    systemctl --quiet enable "$name"
  done
  wanted=$(for name in $restarts; do
    if grep -qxF -e "$name" "$stage/enabled" || systemctl --quiet is-active "$name"; then
      echo "$name"
    fi
  done)
  # One transaction, so that After= between them holds.
  # shellcheck disable=SC2086 # a list of names
  [ -z "$wanted" ] || systemctl --no-block restart $wanted
  listed "$stage/extends" | while read -r name key; do
    ! is_changed "$key" || systemctl try-restart "$name"
  done
}
"""

REMOVE = r"""
purge() { # PACKAGE...: nothing that is not ours may go with it
  would=$(apt-get -s purge "$@" | awk '$1 ~ /^(Purg|Remv)$/ { sub(/:.*/, "", $2); print $2 }')
  for name in $would; do
    grep -qE "^$name(:|\$)" "$records/packages" || return 0
  done
  [ -z "$would" ] || apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 purge "$@"
}

remove() {
  step="looking at what is there"
  [ -e "$records/owner" ] || { begin "nothing is there"; return; }
  take_lock
  begin "leaving work"
  [ ! -e "$records/established" ] || run_lines leave || true
  begin "removing units and files"
  for name in $(listed "$records/units"); do drop_unit "$name"; done
  for name in $(listed "$records/enabled"); do systemctl --quiet disable --now "$name" || true; done
  for name in $(listed "$records/files"); do drop_file "$name"; done
  systemctl daemon-reload
  listed "$records/extended" | while read -r name was; do
    if [ "$was" = active ]; then systemctl restart "$name"; else systemctl stop "$name" || true; fi
  done
  for path in $(listed "$records/makes"); do rm -rf "$path"; done
  names=$(listed "$records/packages" | tr '\n' ' ')
  if [ -n "$names" ]; then
    begin "removing packages $names"
    # shellcheck disable=SC2086 # a list of names
    purge $names
    for name in $names; do
      ! dpkg-query -W "$name" >/dev/null 2>&1 || purge "$name"
    done
  fi
  begin "removing users and what is theirs"
  for name in $(listed "$records/users"); do
    # Never onto other file systems, but /var/lib may be one.
    for top in /etc /opt /srv /usr/local /var /var/lib; do
      [ ! -d "$top" ] || find "$top" -xdev -user "$name" -prune -exec rm -rf {} +
    done
    ! getent passwd "$name" >/dev/null || userdel "$name"
  done
  for name in $(listed "$records/groups"); do
    ! getent group "$name" >/dev/null || groupdel "$name"
  done
  empty=$(listed "$records/directories" | sort -r)
  rm -rf "${records%/*}"
  for name in $empty; do
    [ ! -d "$name" ] || rmdir --ignore-fail-on-non-empty "$name"
  done
  begin "removed"
}
"""
