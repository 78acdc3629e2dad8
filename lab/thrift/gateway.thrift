/** What the lab's gateway serves. */

/** Which server answered, and what it is. */
struct Server {
  1: string name
  2: string version
  /** Calls that it has answered before this one. */
  3: i64 answered
}

/** The text that was sent, and who sends it back. */
struct Echo {
  1: string text
  2: string server
  3: string version
}

service Gateway {
  /** The question of health checks. */
  void ping()

  Echo echo(1: string text)

  /** The same after so many milliseconds of work. */
  Echo slow(1: string text, 2: i32 milliseconds)

  Server who()
}
