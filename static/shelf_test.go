package static

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// noise does not shrink.
func noise(size int) string {
	text := make([]byte, size)
	for i := range text {
		text[i] = byte(rand.Uint32())
	}
	return string(text)
}

// largeExport has files on both sides of what is shelved, with variants of which some are.
func largeExport() map[string]string {
	long := noise(30_000)
	return map[string]string{
		"index.html":  page,
		"tiny.bin":    noise(100),
		"below.bin":   noise(shelved - 1),
		"just.bin":    noise(shelved),
		"large.bin":   noise(1_000_000),
		"both.txt":    long + strings.Repeat("x", 10_000),
		"both.txt.gz": pack("gzip", long+strings.Repeat("x", 10_000)),
		"both.txt.br": pack("br", long+strings.Repeat("x", 10_000)),
		"one.txt":     strings.Repeat("x", 50_000),
		"one.txt.gz":  pack("gzip", strings.Repeat("x", 50_000)),
		"404.html":    missing + strings.Repeat("<p>still nothing", 2000),
	}
}

// TestShelf_everyAnswerIsWhatItIsWithoutOne sends the same requests over a connection that can send from the shelf and over one
// that cannot, all at once, so that answers meet in the buffers.
func TestShelf_everyAnswerIsWhatItIsWithoutOne(t *testing.T) {
	var requests []string
	for name := range largeExport() {
		for _, headers := range []string{
			"", "Accept-Encoding: gzip\r\n", "Accept-Encoding: br\r\n", "Range: bytes=7-\r\n", "Range: bytes=-20000\r\n",
			"Range: bytes=5-50\r\n", "Range: bytes=9999999-\r\n", "If-None-Match: *\r\n", "If-Match: \"x\"\r\n",
		} {
			for _, method := range []string{"GET", "HEAD"} {
				requests = append(requests, method+" /"+name+" HTTP/1.1\r\nHost: stonepot.test\r\n"+headers+"\r\n")
			}
		}
	}
	rand.Shuffle(len(requests), func(i, j int) { requests[i], requests[j] = requests[j], requests[i] })
	s := site(t, largeExport(), nil)
	var all [2][]string
	for i, addr := range []string{serve(t, s).addr, servePlainly(t, s).addr} {
		all[i] = answers(t, addr, requests)
	}
	for i, r := range requests {
		if all[0][i] != all[1][i] {
			t.Errorf("%q is answered with %.300q, and with %.300q where there is no shelf", r, all[0][i], all[1][i])
		}
	}
}

// answers sends all requests at once over one connection.
func answers(t *testing.T, addr string, requests []string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the answers are read
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, strings.Join(requests, "")) }() // ends with the connection
	in := bufio.NewReader(conn)
	var got []string
	for _, r := range requests {
		method, _, _ := strings.Cut(r, " ")
		response, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("%q: %v", r, err)
		}
		_ = response.Body.Close()
		response.Header.Del("Date")
		var text bytes.Buffer
		_ = response.Header.Write(&text)
		got = append(got, response.Status+strconv.FormatInt(response.ContentLength, 10)+text.String()+string(body))
	}
	return got
}

// sending is a connection that a shelf is for.
type sending struct {
	net.Conn
	more int
}

func (s *sending) More() { s.more++ }

func (s *sending) RemoteAddr() net.Addr { return &net.TCPAddr{} }

func TestShelf_isUsedForLargeBodiesOnly(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is none on this system")
	}
	s := site(t, largeExport(), nil)
	handler := fiberHandler(s)
	for _, c := range []struct {
		method, target, header string
		streamed               bool
	}{
		{"GET", "/large.bin", "", true},
		{"GET", "/just.bin", "", true},
		{"GET", "/below.bin", "", false},
		{"HEAD", "/large.bin", "", false},
		{"GET", "/large.bin", "Range: bytes=0-100", false},
		{"GET", "/large.bin", "Range: bytes=500000-", true},
		{"GET", "/both.txt", "Accept-Encoding: gzip", true},
		{"GET", "/one.txt", "Accept-Encoding: gzip", false},
		{"GET", "/one.txt", "", true},
		{"GET", "/large.bin", "If-None-Match: *", false},
		{"GET", "/not-there", "", true},
	} {
		conn := &sending{}
		var ctx fasthttp.RequestCtx
		ctx.Init2(conn, nil, false)
		ctx.Request.Header.SetMethod(c.method)
		ctx.Request.SetRequestURI(c.target)
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			ctx.Request.Header.Set(name, value)
		}
		handler(&ctx)
		if got := ctx.Response.IsBodyStream(); got != c.streamed || got != (conn.more == 1) || !got && conn.more > 0 {
			t.Errorf("%s %s %s: sent from the shelf: %t, More called %d times", c.method, c.target, c.header, got, conn.more)
		}
		_ = ctx.Response.CloseBodyStream()
	}
}

func TestNewShelf_thatCannotBe(t *testing.T) {
	if _, _, err := newShelf(-1); err == nil {
		t.Error("there is one with less than nothing")
	}
}
