package handlers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// serveBrowser runs a real Fiber app that gives every upgraded connection to serve, and returns its address. The test
// ends after every call of serve.
func serveBrowser(t *testing.T, maxMessage int, writeTimeout time.Duration, serve func(b *fiberBrowser)) string {
	t.Helper()
	app := NewApp(DefaultServerConfig(), Quiet)
	var calls sync.WaitGroup
	app.Get("/ws", func(c *fiber.Ctx) error {
		calls.Add(1)
		return websocket.New(func(conn *websocket.Conn) {
			defer calls.Done()
			socket, early, err := takeOver(conn.NetConn())
			if err != nil {
				t.Error(err)
			}
			b := newFiberBrowser(socket, early, maxMessage, writeTimeout)
			serve(b)
			b.linger()
		})(c)
	})
	addr := Serve(t, app)
	t.Cleanup(calls.Wait)
	return addr
}

// Serve serves app on a free port until the test ends.
func Serve(t testing.TB, app *fiber.App) string {
	t.Helper()
	cfg := DefaultServerConfig()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	ln, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- app.Listener(ln) }()
	t.Cleanup(func() {
		if err := app.ShutdownWithTimeout(Patience); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		_ = ln.Close() // of an app that had not yet begun to serve the shutdown knows nothing
		if err := <-over; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func TestBrowser_readsMessagesHoweverTheyAreCut(t *testing.T) {
	got := make(chan live.Frame, 10)
	addr := serveBrowser(t, 1<<20, time.Second, func(b *fiberBrowser) {
		var f live.Frame
		for b.Read(&f) == nil {
			got <- live.Frame{Binary: f.Binary, Data: bytes.Clone(f.Data)}
		}
		close(got)
	})
	c := DialWS(t, addr, "/ws")
	long := strings.Repeat("ä", 40_000)
	c.Text("one")
	c.Write(Masked(OpBinary, []byte("tw"))) // a fragment
	c.Write(Masked(Fin|OpPing, []byte("are you there?")))
	c.Write(Masked(Fin, []byte("o")))
	for _, b := range Masked(Fin|OpText, []byte("byte by byte")) {
		c.Write([]byte{b})
	}
	c.Text(long)
	c.Write(Masked(Fin|OpPong, []byte("nobody asked")))
	c.Write(append(Masked(Fin|OpText, []byte("two at")), Masked(Fin|OpText, []byte("once"))...))

	if p := c.Expect(OpPong); string(p) != "are you there?" {
		t.Errorf("the pong holds %q", p)
	}
	for _, want := range []live.Frame{
		{Data: []byte("one")},
		{Binary: true, Data: []byte("two")},
		{Data: []byte("byte by byte")},
		{Data: []byte(long)},
		{Data: []byte("two at")},
		{Data: []byte("once")},
	} {
		if f := <-got; f.Binary != want.Binary || !bytes.Equal(f.Data, want.Data) {
			t.Fatalf("got %v %.40q, want %v %.40q", f.Binary, f.Data, want.Binary, want.Data)
		}
	}
	c.Write(Masked(Fin|OpClose, frame.ClosePayload(1000, "")))
	c.Expect(OpClose)
	if _, more := <-got; more {
		t.Error("something came that nobody sent")
	}
}

func TestBrowser_readsWhatCameTogetherWithTheHandshake(t *testing.T) {
	got := make(chan string, 1)
	addr := serveBrowser(t, 1<<20, time.Second, func(b *fiberBrowser) {
		var f live.Frame
		for range 3 {
			if err := b.Read(&f); err != nil {
				t.Error(err)
			}
			got <- string(f.Data)
		}
	})
	early := append(Masked(Fin|OpText, []byte("first")), Masked(Fin|OpText, []byte("second"))...)
	third := Masked(Fin|OpText, []byte("third"))
	c := DialRaw(t, addr, Handshake("/ws", nil)+string(early)+string(third[:4]))
	c.Write(third[4:])
	for _, want := range []string{"first", "second", "third"} {
		if s := <-got; s != want {
			t.Fatalf("got %q, want %q", s, want)
		}
	}
}

func TestBrowser_echoesACloseAndTellsIt(t *testing.T) {
	for _, c := range []struct {
		name string
		sent []byte
		code int
		text string
		echo []byte
	}{
		{"with a code and a text", frame.ClosePayload(4999, "I must go"), 4999, "I must go", []byte{0x13, 0x87}},
		{"with nothing", nil, 1005, "", []byte{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ended := make(chan error, 1)
			addr := serveBrowser(t, 1<<20, time.Second, func(b *fiberBrowser) {
				var f live.Frame
				ended <- b.Read(&f)
				if err := b.Write(frame.Append(nil, frame.Text, []byte("too late"))); !errors.Is(err, errSaidGoodbye) {
					t.Errorf("writing after the close frame: %v", err)
				}
				b.Close(live.ReasonEnded) // what a session does next changes nothing
				b.Abort()
			})
			client := DialWS(t, addr, "/ws")
			client.Write(Masked(Fin|OpClose, c.sent))
			if p := client.Expect(OpClose); !bytes.Equal(p, c.echo) {
				t.Errorf("the echo holds %v, want %v", p, c.echo)
			}
			if _, _, err := client.Frame(); !errors.Is(err, io.EOF) {
				t.Errorf("after the echo: %v, want the end of the stream", err)
			}
			var farewell *frame.CloseError
			if err := <-ended; !errors.As(err, &farewell) || farewell.Code != c.code || farewell.Text != c.text {
				t.Errorf("Read told %v", err)
			}
		})
	}
}

func TestBrowser_tellsViolationsAndStillSaysGoodbye(t *testing.T) {
	for _, c := range []struct {
		name string
		wire []byte
		code int
	}{
		{"unmasked", []byte{Fin | OpText, 2, 'h', 'i'}, 1002},
		{"reserved bit", Masked(Fin|0x40|OpText, []byte("x")), 1002},
		{"unknown opcode", Masked(Fin|3, nil), 1002},
		{"not UTF-8", Masked(Fin|OpText, []byte("a\xff")), 1007},
		{"too long, and sent whole", Masked(Fin|OpBinary, make([]byte, 300_000)), 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			ended := make(chan error, 1)
			addr := serveBrowser(t, 1000, time.Second, func(b *fiberBrowser) {
				var f live.Frame
				ended <- b.Read(&f)
				b.Close(live.Reason{Close: c.code, Text: "why"})
			})
			client := DialWS(t, addr, "/ws")
			client.Write(c.wire)
			var violation *frame.Error
			if err := <-ended; !errors.As(err, &violation) || violation.Code != c.code {
				t.Errorf("Read told %v, want a violation with %d", err, c.code)
			}
			if _, how := client.End(); how != (Closing{c.code, "why"}) {
				t.Errorf("the client saw %+v", how)
			}
		})
	}
}

func TestBrowser_closesPolitelyAndReadsOnUntilTheAnswer(t *testing.T) {
	ended := make(chan error, 1)
	closed := make(chan struct{})
	addr := serveBrowser(t, 1<<20, time.Second, func(b *fiberBrowser) {
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			var f live.Frame
			ended <- b.Read(&f)
		}()
		b.Close(live.ReasonServerDraining)
		close(closed)
		<-reading
	})
	c := DialWS(t, addr, "/ws")
	<-closed
	c.Binary(make([]byte, 640)) // was under way
	if _, how := c.End(); how != (Closing{1012, live.ReasonServerDraining.Text}) {
		t.Errorf("the client saw %+v", how)
	}
	var farewell *frame.CloseError
	if err := <-ended; !errors.As(err, &farewell) || farewell.Code != 1005 {
		t.Errorf("Read told %v, want the client's answer", err)
	}
}

func TestBrowser_closesThoughTheClientNeverAnswers(t *testing.T) {
	ended := make(chan error, 1)
	addr := serveBrowser(t, 1<<20, time.Second, func(b *fiberBrowser) {
		b.Close(live.ReasonMaxDuration)
		var f live.Frame
		ended <- b.Read(&f)
	})
	c := DialWS(t, addr, "/ws")
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read told %v", err)
	}
	if _, how := c.End(); how.Code != 4500 {
		t.Errorf("the client saw %+v", how)
	}
}

// stuff fills the socket until it takes no more, and leaves a message half written. It returns the rest of it.
func stuff(t *testing.T, b *fiberBrowser) (rest []byte, messages int) {
	t.Helper()
	message := frame.Append(nil, frame.Binary, bytes.Repeat([]byte("speech.."), 4096))
	for {
		n, err := b.TryWrite(message)
		if err != nil {
			t.Error(err)
			return nil, messages
		}
		messages++
		if n < len(message) {
			return message[n:], messages
		}
	}
}

func TestBrowser_neverPutsAControlFrameIntoAMessage(t *testing.T) {
	stuffed, pinged := make(chan int, 1), make(chan struct{})
	addr := serveBrowser(t, 1<<20, Patience, func(b *fiberBrowser) {
		rest, n := stuff(t, b)
		reading := make(chan struct{})
		go func() {
			defer close(reading)
			var f live.Frame
			for b.Read(&f) == nil {
				close(pinged) // the text that follows the pings: they have been read
			}
		}()
		stuffed <- n
		<-pinged
		if err := b.Write(rest); err != nil {
			t.Error(err)
		}
		if err := b.Write(frame.Append(nil, frame.Text, []byte("after"))); err != nil {
			t.Error(err)
		}
		b.Close(live.ReasonEnded)
		<-reading
	})
	c := DialWS(t, addr, "/ws")
	messages := <-stuffed
	for _, p := range []string{"old", "older", "newest"} {
		c.Write(Masked(Fin|OpPing, []byte(p)))
	}
	c.Text("now read")
	<-pinged
	var kinds []byte
	for {
		head, payload, err := c.Frame()
		if err != nil {
			t.Fatal(err)
		}
		switch op := head & 0x0F; op {
		case OpBinary:
			messages--
			if len(payload) != 32768 || strings.Trim(string(payload), "spech.") != "" {
				t.Fatal("a message was torn")
			}
			continue
		case OpPong:
			if string(payload) != "newest" {
				t.Errorf("pong %q, want the newest only", payload)
			}
		}
		kinds = append(kinds, head&0x0F)
		if head&0x0F == OpClose {
			break
		}
	}
	if messages != 0 || !bytes.Equal(kinds, []byte{OpPong, OpText, OpClose}) {
		t.Errorf("%d messages are missing; then came %v, want a pong, the text and the close frame", messages, kinds)
	}
	c.Write(Masked(Fin|OpClose, frame.ClosePayload(1000, "")))
}

// fullSocket stands for a socket that takes nothing without waiting.
type fullSocket struct{}

func (fullSocket) TryWrite([]byte) (int, error) { return 0, nil }

func TestBrowser_theReaderWritesAGoodbyeThatTheSocketDidNotTakeAtOnce(t *testing.T) {
	addr := serveBrowser(t, 1<<20, Patience, func(b *fiberBrowser) {
		b.try = fullSocket{}
		b.queuePong([]byte("waits as well"))
		b.Close(live.ReasonEnded)
		if b.closeSent.Load() {
			t.Error("Close waited for the socket")
		}
		var f live.Frame
		if err := b.Read(&f); err == nil {
			t.Error("read something")
		}
	})
	c := DialWS(t, addr, "/ws")
	if p := c.Expect(OpPong); string(p) != "waits as well" {
		t.Errorf("pong %q", p)
	}
	if _, how := c.End(); how.Code != 1000 {
		t.Errorf("the client saw %+v, want the close frame", how)
	}
}

func TestBrowser_givesUpAClientThatTakesNothing(t *testing.T) {
	over := make(chan struct{})
	addr := serveBrowser(t, 1<<20, 50*time.Millisecond, func(b *fiberBrowser) {
		defer close(over)
		rest, _ := stuff(t, b)
		if err := b.Write(rest); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write told %v, want os.ErrDeadlineExceeded", err)
		}
		b.Close(live.ReasonSlowClient) // cannot be told inside a message: the connection is dropped
		var f live.Frame
		if err := b.Read(&f); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read told %v, want a dropped connection", err)
		}
	})
	DialWS(t, addr, "/ws")
	<-over
}

func TestBrowser_abortUnblocksReadAndWrite(t *testing.T) {
	over := make(chan struct{})
	addr := serveBrowser(t, 1<<20, time.Hour, func(b *fiberBrowser) {
		defer close(over)
		rest, _ := stuff(t, b)
		var work sync.WaitGroup
		work.Go(func() {
			var f live.Frame
			if b.Read(&f) == nil {
				t.Error("read something")
			}
		})
		work.Go(func() {
			if b.Write(rest) == nil {
				t.Error("wrote into a full socket")
			}
		})
		b.Abort()
		b.Abort()
		work.Wait()
	})
	DialWS(t, addr, "/ws")
	<-over
}

func TestBrowser_writesOnConnectionsThatCannotBeTried(t *testing.T) {
	here, there := net.Pipe()
	b := newFiberBrowser(there, nil, 1<<20, Patience)
	c := &RawClient{t: t, Conn: here}
	go func() {
		var f live.Frame
		_ = b.Read(&f)
		if n, err := b.TryWrite([]byte("x")); n != 0 || err != nil {
			t.Errorf("TryWrite took %d, %v", n, err)
		}
		_ = b.Write(frame.Append(nil, frame.Text, f.Data))
		b.Abort()
	}()
	c.Write(Masked(Fin|OpText, []byte("hello")))
	got, _ := io.ReadAll(here)
	if want := frame.Append(nil, frame.Text, []byte("hello")); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	_ = here.Close()
}

// TestBrowser_allocatesNothingPerAudioFrame uses a real pair of sockets: what the runtime's poller does counts too.
func TestBrowser_allocatesNothingPerAudioFrame(t *testing.T) {
	for _, size := range []int{640, 30_000} {
		here, there := tcpPair(t)
		b := newFiberBrowser(there, nil, 1<<20, Patience)
		up := Masked(Fin|OpBinary, make([]byte, size))
		down := frame.Append(nil, frame.Binary, make([]byte, 960))
		got := make([]byte, len(down))
		var f live.Frame
		if a := testing.AllocsPerRun(500, func() {
			if _, err := here.Write(up); err != nil {
				t.Fatal(err)
			}
			if err := b.Read(&f); err != nil || len(f.Data) != size || !f.Binary {
				t.Fatal(err, len(f.Data))
			}
			if n, err := b.TryWrite(down); n != len(down) || err != nil {
				t.Fatal(n, err)
			}
			if _, err := io.ReadFull(here, got); err != nil {
				t.Fatal(err)
			}
		}); a != 0 {
			t.Errorf("%v allocations per audio frame of %d bytes there and back", a, size)
		}
	}
}

func BenchmarkBrowser_roundTrip640(b *testing.B) {
	here, there := tcpPair(b)
	browser := newFiberBrowser(there, nil, 1<<20, Patience)
	up := Masked(Fin|OpBinary, make([]byte, 640))
	down := frame.Append(nil, frame.Binary, make([]byte, 640))
	got := make([]byte, len(down))
	var f live.Frame
	b.ReportAllocs()
	b.SetBytes(640)
	for b.Loop() {
		_, _ = here.Write(up)
		if err := browser.Read(&f); err != nil {
			b.Fatal(err)
		}
		_, _ = browser.TryWrite(down)
		_, _ = io.ReadFull(here, got)
	}
}

func tcpPair(t testing.TB) (here, there net.Conn) {
	t.Helper()
	cfg := DefaultServerConfig()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	ln, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if here, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if there, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = here.Close()
		_ = there.Close()
	})
	return here, there
}
