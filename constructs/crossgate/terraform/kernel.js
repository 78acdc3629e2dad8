"use strict";

// jsii runs its kernel in a second Node, and a first one copies every message between that and
// Python. This runs it in the first: program.js talks over file descriptor 3, in both ways, which is
// mapped to the standard input and output here. What it prints goes to Python as the first Node
// would send it: JSON lines on the standard error.

const fs = require("node:fs");
const { Writable } = require("node:stream");

const CHANNEL = 3;
const { readSync, writeSync } = fs;

fs.readSync = (fd, ...rest) => readSync(fd === CHANNEL ? 0 : fd, ...rest);
fs.writeSync = (fd, ...rest) => writeSync(fd === CHANNEL ? 1 : fd, ...rest);

for (const name of ["stdout", "stderr"]) {
  const stream = new Writable({
    write(chunk, _encoding, done) {
      writeSync(2, JSON.stringify({ [name]: chunk.toString("base64") }) + "\n");
      done();
    },
  });
  Object.defineProperty(process, name, { configurable: true, get: () => stream });
}

// program.js reads here whether packages may stay links to their cache.
process.execArgv.push("--preserve-symlinks");

require(process.env.CROSSGATE_KERNEL);
