package wire

import (
	"errors"
	"net"
	"testing"
)

func TestListener_acceptsConns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ours := Listener{l.(*net.TCPListener)}
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close() //nolint:errcheck // a test's
	c, err := ours.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // a test's
	if _, ok := c.(*Conn); !ok {
		t.Errorf("it is a %T", c)
	}
	_ = ours.Close()
	if c, err := ours.Accept(); c != nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed one accepts %v, %v", c, err)
	}
}
