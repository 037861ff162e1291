package gemini

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stonepot/stonepot/live"
)

// FuzzSocket_header checks that the handshake's reader is given the header and nothing behind it, and the frames' reader
// everything else, however the bytes come.
func FuzzSocket_header(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 101 S\r\nA: b\r\n\r\n\x82\x02{}", "HTTP/1.1 101 S\n\n\n\x82", "\r\n\r\n", "\n", "x\r\r\n\r\ny", "no end"} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, wire []byte, size uint8) {
		header := len(wire) // by the definition: up to the first empty line
		for at, line := 0, 0; at < len(wire); at++ {
			if wire[at] != '\n' {
				continue
			}
			if at > 0 && len(bytes.Trim(wire[line:at], "\r")) == 0 && line > 0 {
				header = at + 1
				break
			}
			line = at + 1
		}
		here, there := net.Pipe()
		go func() {
			_, _ = there.Write(wire)
			_ = there.Close()
		}()
		s := &socket{Conn: here}
		buf := make([]byte, 1+int(size))
		var got []byte
		for {
			n, err := s.Read(buf)
			if before := len(got); before < header && before+n > header {
				t.Fatalf("%q: a read went over the end of the header at %d", wire, header)
			}
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got, wire) {
			t.Fatalf("got %q of %q", got, wire)
		}
	})
}

// FuzzCloseTrouble checks that whatever a model says when it leaves, a person is told a sentence, without a credential.
func FuzzCloseTrouble(f *testing.F) {
	for _, r := range rules {
		f.Add(uint16(1008), r.text, true)
	}
	f.Add(uint16(1007), "key=AIzaSyA1234567890abcdefghijklmnop projects/mine", false)
	f.Fuzz(func(t *testing.T, code uint16, text string, ready bool) {
		const key = "AIzaSyA1234567890abcdefghijklmnop"
		said := text + " " + key
		for _, e := range []*live.UpstreamError{
			closeTrouble(int(code), said, ready),
			statusTrouble(&statusError{Code: int(code), Message: said}),
			dialTrouble(&httpError{status: int(code), body: `{"error":{"message":` + fmt.Sprintf("%q", said) + `}}`}, "a.host"),
		} {
			if e.Detail == "" || strings.Contains(e.Error(), key) || !slices.Contains(live.Reasons(), e.Reason()) {
				t.Fatalf("%d %q: %v", code, text, e)
			}
		}
	})
}
