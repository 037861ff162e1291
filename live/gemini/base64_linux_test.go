package gemini

import (
	"encoding/base64"
	"os"
	"syscall"
	"testing"

	"github.com/stonepot/stonepot/live/frame"
)

// TestBase64_staysInItsMemory where both ends of it are the ends of what the process has: anything else would be a fault.
func TestBase64_staysInItsMemory(t *testing.T) {
	page := os.Getpagesize()
	fenced := func() []byte {
		mem, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Munmap(mem) })
		for _, fence := range [][]byte{mem[:page], mem[2*page:]} {
			if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
				t.Fatal(err)
			}
		}
		return mem[page : 2*page : 2*page]
	}
	from, to := fenced(), fenced()
	eachWay(t, func(t *testing.T) {
		for n := range 300 {
			want := base64.StdEncoding.EncodeToString(sample(n))
			pcm, text := from[page-n:], to[page-len(want):]
			if n%2 == 0 {
				pcm, text = from[:n:n], to[:len(want):len(want)]
			}
			copy(pcm, sample(n))
			encodeBase64(text, pcm, 0x01020304)
			if frame.Mask(text, 0x01020304, 0); string(text) != want {
				t.Fatalf("%d bytes: %q, want %q", n, text, want)
			}
			var c carry
			taken := decodeFront(text)
			undecode(text, taken)
			if string(text) != want {
				t.Fatalf("%d bytes were decoded and taken back: %q, want %q", n, text, want)
			}
			p := from[page-len(text)-1:]
			if n%2 == 0 {
				p = from[: 1+len(text) : 1+len(text)]
			}
			copy(p[1:], text)
			_, got, err := c.decode(p, 0)
			if c.odd {
				got = append(got, c.low)
			}
			if err != nil || string(got) != string(sample(n)) {
				t.Fatalf("%d bytes: %x, %v", n, got, err)
			}
		}
	})
}
