package gemini

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// spoken is a model's side of a short conversation, and where what it says ends.
func spoken(p *peer) (wire []byte, header int, ends []int) {
	wire = p.accepted()
	header = len(wire)
	said := modelPeer(1 << 16)
	one, two := said.Text("one", 0), said.Text("two", 0)
	for _, f := range [][]byte{
		frame.Append(nil, frame.Binary, []byte(`{"setupComplete":{}}`)),
		frame.Append(nil, frame.Text, one),
		append(append(said.Frame(0x01, two[:20]), said.Frame(0x89, []byte("?"))...), said.Frame(0x80, two[20:])...),
		frame.Append(nil, frame.Close, frame.ClosePayload(1011, "quota")),
	} {
		wire = append(wire, f...)
		ends = append(ends, len(wire))
	}
	return wire, header, ends
}

// The model's socket ends, or breaks, at every byte of what it says: what came whole is heard, and nobody says afterwards
// that it was a goodbye.
func TestConformance_theModelIsCutOffAtEveryByte(t *testing.T) {
	for _, broken := range []bool{false, true} {
		at := make(chan int, 1)
		sizes := make(chan []int, 1)
		m := startModel(t, func(p *peer) {
			wire, header, ends := spoken(p)
			sizes <- append([]int{header}, ends...)
			p.write(wire[:min(<-at, len(wire))])
			tcp := p.conn.(*net.TCPConn)
			if broken {
				_ = tcp.SetLinger(0)
				return
			}
			_ = tcp.CloseWrite()
			p.drain()
		})
		d := geminiDialer(t, m.url, testDial())
		last := 1
		for n := 0; n <= last; n++ {
			at <- n
			u, err := d.Dial(context.Background(), testSetup())
			size := <-sizes
			last = size[4]
			whole := 0 // messages that are whole within the first n bytes
			for _, end := range size[1:] {
				if n >= end {
					whole++
				}
			}
			var trouble *live.UpstreamError
			if err != nil {
				if !errors.As(err, &trouble) || trouble.Fault != live.FaultBroken || n >= size[0] && !broken {
					t.Errorf("%d bytes, broken %v: %v", n, broken, err)
				}
				continue
			}
			if n < size[0] {
				t.Fatalf("%d bytes: that was no handshake", n)
			}
			heard := []string{}
			for {
				var e live.Event
				if err := u.Receive(&e); err != nil {
					errors.As(err, &trouble)
					break
				}
				heard = append(heard, e.Text)
			}
			u.Close()
			want := []string{"", "one", "two"}[:min(whole, 3)]
			if !slices.Equal(heard, want) && (!broken || !slices.Equal(heard, want[:len(heard)])) {
				t.Errorf("%d bytes, broken %v: heard %q, want %q", n, broken, heard, want)
			}
			bye := trouble.Close == 1011 && trouble.Fault == live.FaultQuota
			if cut := trouble.Close == 0 && trouble.Fault == live.FaultBroken && errors.Is(trouble, ErrAbnormal); !(bye && whole == 4) && !(cut && (whole < 4 || broken)) {
				t.Errorf("%d bytes, broken %v: ended with %v", n, broken, trouble)
			}
		}
	}
}

// The model goes away, or breaks, at every byte of what it is told: whoever speaks to it learns that, and waits for nothing.
func TestConformance_theModelStopsListeningAtEveryByte(t *testing.T) {
	speak := func(d *Dialer) (err error) {
		u, err := d.Dial(context.Background(), testSetup())
		if err != nil {
			return err
		}
		defer u.Close()
		var e live.Event
		for range 3 {
			if err = u.Receive(&e); err != nil {
				return err
			}
			if _, err = u.Send(&live.Command{Kind: live.CommandAudio, PCM: sample(16)}); err != nil {
				return err
			}
		}
		return u.Receive(&e)
	}
	for _, broken := range []bool{false, true} {
		limit := make(chan int, 1)
		heard := make(chan int, 1)
		url := listenTo(t, func(c *net.TCPConn) {
			n := hearing(c, <-limit)
			if broken {
				_ = c.SetLinger(0)
			}
			heard <- n
		})
		d := geminiDialer(t, url, testDial())
		whole := false
		for n, last := 0, 1; n <= last; n++ {
			limit <- n
			err := speak(d)
			var trouble *live.UpstreamError
			if err != nil && (!errors.As(err, &trouble) || trouble.Fault != live.FaultBroken || trouble.Close != 0) {
				t.Errorf("cut after %d bytes, broken %v: %v", n, broken, err)
			}
			whole = whole || err == nil
			if got := <-heard; got == n {
				last = n + 1
			}
		}
		if !whole {
			t.Error("the conversation was never heard as a whole")
		}
	}
}

// listenTo accepts connections and closes them behind script.
func listenTo(t *testing.T, script func(c *net.TCPConn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			script(c.(*net.TCPConn))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-over
	})
	return "http://" + l.Addr().String()
}

// hearing takes n bytes of what a model is told, answers what has come whole as a model would, and says how many came.
func hearing(c net.Conn, n int) int {
	in := &counter{r: io.LimitReader(c, int64(n))}
	buffered := bufio.NewReader(in)
	request, err := http.ReadRequest(buffered)
	if err != nil {
		return in.n
	}
	p := &peer{conn: c, request: request}
	_, _ = c.Write(p.accepted())
	for i, r := 0, frame.NewReader(buffered, frame.Server, 1<<20); ; i++ {
		op, _, err := r.Next()
		if err != nil || op != frame.Text {
			return in.n
		}
		answer := `{"serverContent":{"outputTranscription":{"text":"yes"}}}`
		if i == 0 {
			answer = `{"setupComplete":{}}`
		}
		_, _ = c.Write(frame.Append(nil, frame.Binary, []byte(answer)))
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
