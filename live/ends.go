package live

import "context"

// Frame is one whole message from a browser. Data is borrowed until the next Read.
type Frame struct {
	Binary bool
	Data   []byte
}

// Browser is the person's end of a session: a WebSocket, or its stand-in in a test.
//
// Read is called by one goroutine, TryWrite and Write by one goroutine at a time (the holder of the session's
// outbox); Abort and Close may be called from anywhere, any number of times. Nobody calls anything after
// Gateway.Serve, or Session, has returned.
//
// Frames are written as they go over the wire: the bytes of one complete unmasked WebSocket message (RFC 6455
// §5.2; see package frame), so that a frame is encoded once, however often it has to be sent.
type Browser interface {
	// Read waits for the next whole message; f.Data points into memory that the browser owns. Control frames are
	// answered inside. A violation by the other side is a *frame.Error, an orderly goodbye is a *frame.CloseError,
	// anything else is a lost connection.
	Read(f *Frame) error
	// TryWrite takes as many bytes as the socket accepts without waiting, possibly none. An error means that the
	// connection is lost.
	TryWrite(p []byte) (n int, err error)
	// Write takes all of p and waits for the socket up to the write timeout: then the error is
	// os.ErrDeadlineExceeded, and the connection is unusable.
	Write(p []byte) error
	// Abort drops the connection at once; Read and Write return.
	Abort()
	// Close says goodbye with the reason's close code and text, and lets Read return soon: when the other side
	// has answered, or after a short wait.
	Close(r Reason)
}

// Upstream is the model's end of a session: one connection of the Live API that has been dialled.
//
// Send is called by one goroutine at a time (the holder of the session's uplink), Receive by one goroutine
// (the owner of the upstream); Wake and Close may be called from anywhere, any number of times.
type Upstream interface {
	// Send encodes c and writes it within the configured write timeout. The index counts this connection's
	// messages as the upstream does: the setup is 0, the first Send returns 1. Commands that are the session's
	// own are a defect. What went wrong is an *UpstreamError; errors are sticky.
	Send(c *Command) (index int64, err error)
	// Receive waits for the next event. The first one of a connection is EventReady. What went wrong, and how it
	// ended, is an *UpstreamError; errors are sticky. e's borrowed fields are valid until the next Receive.
	Receive(e *Event) error
	// Wake makes a waiting Receive return an error soon. A woken connection is over.
	Wake()
	// Close ends the connection politely (code 1000), without waiting for the answer, and frees it.
	Close()
}

// Dialer opens upstream connections. It is safe for concurrent use. Dial connects and sends the setup, but does
// not wait for its acceptance: that is the first Receive. What went wrong is an *UpstreamError.
type Dialer interface {
	Dial(ctx context.Context, s Setup) (Upstream, error)
}
