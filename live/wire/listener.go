package wire

import "net"

// Listener accepts connections as Conns.
type Listener struct{ *net.TCPListener }

// Accept implements net.Listener.
func (l Listener) Accept() (net.Conn, error) {
	tcp, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	c, err := New(tcp)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return c, nil
}
