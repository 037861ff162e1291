package handlers

import (
	"net"
	"time"
)

// takeOver gives out the socket under a connection that fasthttp has handed to a hijack handler, and what the client had
// sent together with its handshake. The caller owns the socket from then on, and closes it.
//
// Why the handler may return while the socket lives on:
//
//   - NewApp sets KeepHijackedConns: without it fasthttp closes the socket behind the handler. With it, what fasthttp
//     still holds for the connection (its hijackConn, and the bufio.Reader that the request was read with) is left to the
//     garbage collector and given to no other connection; the RequestCtx goes back to its pool. contrib's Conn goes back
//     to its pool, too, which is why nothing of it is kept.
//   - Bytes behind the handshake can lie in that bufio.Reader only: contrib's Conn is never read. All of them are taken
//     here. A read deadline in the past makes the Reader give what it has and then fail without looking at the socket,
//     so that nothing is taken off the socket here and nothing waits.
//   - fasthttp counts a connection in server.concurrency while it serves requests, and forgets it when it is hijacked,
//     whether the handler returns or not. Voice connections are counted by the gateway, whose slot each of them holds, and
//     by API.work, which Shutdown waits for.
//   - fasthttp has taken its deadlines off.
func takeOver(hijacked net.Conn) (socket net.Conn, early []byte, err error) {
	socket = hijacked
	if h, ok := hijacked.(interface{ UnsafeConn() net.Conn }); ok {
		socket = h.UnsafeConn()
	}
	if err = socket.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return socket, nil, err
	}
	var buf [512]byte // early messages are rare, and short
	for {
		n, err := hijacked.Read(buf[:])
		early = append(early, buf[:n]...)
		if err != nil { // the deadline; should it be anything else, the socket will say it again
			return socket, early, socket.SetReadDeadline(time.Time{})
		}
	}
}
