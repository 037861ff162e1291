// Package rfc6455 is a table of what the other end of a WebSocket can send behind its handshake, byte by byte, and
// what must come of it. The tests of both of Stonepot's ends go through it over real sockets: the server's towards
// browsers, and the client's towards the model.
//
// It builds its frames by hand and imports nothing of the project: a mistake of package frame does not hide in it.
package rfc6455
