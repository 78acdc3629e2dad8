// A server of grpc.health.v1.Health on Node's own HTTP/2: `grpc_example.js PORT`.
//
// The server as a whole, and "shop.v1.Orders", are well; "shop.v1.Sick" is not; it knows no other.

"use strict";

const http2 = require("node:http2");

const STATUS = { "": 1, "shop.v1.Orders": 1, "shop.v1.Sick": 2 };
const NOT_FOUND = 5;

function asked(message) {
  // A message says whether it is compressed and how long it is; field 1 is the service's name.
  const body = message.subarray(5);
  return body.length ? body.subarray(2, 2 + body[1]).toString() : "";
}

const server = http2.createServer();
server.on("stream", (stream, headers) => {
  const parts = [];
  stream.on("error", () => {});
  stream.on("data", (part) => parts.push(part));
  stream.on("end", () => {
    const known = headers[":path"] === "/grpc.health.v1.Health/Check";
    const status = known ? STATUS[asked(Buffer.concat(parts))] : undefined;
    const head = { ":status": 200, "content-type": "application/grpc" };
    if (status === undefined) {
      stream.respond({ ...head, "grpc-status": String(NOT_FOUND) }, { endStream: true });
      return;
    }
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
  });
});
server.on("sessionError", () => {});
server.listen(Number(process.argv[2]), "127.0.0.1");
