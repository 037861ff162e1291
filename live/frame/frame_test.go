package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

const key = 0x9A3C51E7

func TestSeal_andAppendAgreeAtEverySize(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 640, 65535, 65536, 200_000} {
		payload := bytes.Repeat([]byte{0xA5, 1, 2}, n)[:n]
		buf := append(make([]byte, Room), payload...)
		if got, want := Seal(buf, Binary), Append(nil, Binary, payload); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: Seal and Append differ", n)
		}
		buf = append(make([]byte, Room), payload...)
		if got, want := SealMasked(buf, Text, key), AppendMasked(nil, Text, payload, key); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: SealMasked and AppendMasked differ", n)
		}
	}
}

func TestReader_readsWhatWasWrittenHoweverItIsCut(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		var wire []byte
		var sizes []int
		for _, n := range []int{0, 3, 126, 640, 4096, 70_000, 5, 65536} {
			p := []byte(strings.Repeat("é", n/2+1))[:n&^1]
			sizes = append(sizes, len(p))
			if role == Server {
				wire = AppendMasked(wire, Text, p, rand.Uint32())
			} else {
				wire = Append(wire, Text, p)
			}
		}
		for name, src := range map[string]io.Reader{
			"whole": bytes.NewReader(wire),
			"bytes": iotest.OneByteReader(bytes.NewReader(wire)),
			"half":  iotest.HalfReader(bytes.NewReader(wire)),
			"eof":   iotest.DataErrReader(bytes.NewReader(wire)),
		} {
			r := NewReader(src, role, 1<<20)
			for i, n := range sizes {
				op, p, err := r.Next()
				if err != nil || op != Text || len(p) != n {
					t.Fatalf("role %d, %s, message %d: %v %d bytes, %v; want %d", role, name, i, op, len(p), err, n)
				}
			}
			if _, _, err := r.Next(); err != io.EOF { //nolint:errorlint // EOF itself is promised
				t.Errorf("after the last message: %v, want io.EOF", err)
			}
		}
	}
}

func TestReader_tellsACutMessageFromAnEnd(t *testing.T) {
	whole := AppendMasked(nil, Binary, []byte("hello"), key)
	for n := 1; n < len(whole); n++ {
		r := NewReader(bytes.NewReader(whole[:n]), Server, 100)
		if _, _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v, want io.ErrUnexpectedEOF", n, err)
		}
	}
}

func TestReader_memoryGrowsWithWhatArrivesNotWithWhatIsClaimed(t *testing.T) {
	head := []byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0x40, 0, 0, 1, 2, 3, 4}
	r := NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader(make([]byte, 100))), Server, 8<<20)
	_, _, err := r.Next()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if cap(r.buf) > 64<<10 {
		t.Errorf("a claim of 4 MiB with 100 bytes sent holds %d bytes", cap(r.buf))
	}
}

func TestReader_givesMemoryOfLongMessagesBack(t *testing.T) {
	var wire []byte
	wire = Append(wire, Binary, make([]byte, 1<<20))
	for range 40 * shrinkAfter {
		wire = Append(wire, Binary, make([]byte, 640))
	}
	r := NewReader(bytes.NewReader(wire), Client, 1<<21)
	for {
		if _, _, err := r.Next(); err != nil {
			break
		}
	}
	// What a large read buffer still holds is taken before it can shrink; it must have shrunk in the end.
	if len(r.buf) != smallBlock {
		t.Errorf("%d bytes are still held", len(r.buf))
	}
}

func TestClosePayload_fitsAControlFrameAtAWholeCharacter(t *testing.T) {
	p := ClosePayload(4501, strings.Repeat("é", 100))
	if len(p) > maxControlPayload {
		t.Fatalf("%d bytes", len(p))
	}
	got, err := ParseClose(p)
	if err != nil || got.Code != 4501 || len(got.Text) != 122 {
		t.Errorf("%+v %v", got, err)
	}
	if ClosePayload(0, "x") != nil {
		t.Error("code 0 must give an empty payload")
	}
}

func TestMask_isTheSpecificationsAtEveryOffsetAndLength(t *testing.T) {
	var k [4]byte
	binary.LittleEndian.PutUint32(k[:], key)
	for offset := range 8 {
		for n := range 400 {
			const guard = 40
			all, want := make([]byte, guard+n+guard), make([]byte, guard+n+guard)
			for i := range want {
				all[i], want[i] = byte(i*7), byte(i*7)
				if i -= guard; i >= 0 && i < n {
					want[guard+i] ^= k[(i+offset)&3]
				}
			}
			Mask(all[guard:guard+n], key, offset)
			if !bytes.Equal(all, want) {
				t.Fatalf("offset %d, %d bytes", offset, n)
			}
		}
	}
}

// endless gives the same frame for ever.
type endless struct {
	frame []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.frame[e.at:])
	e.at = (e.at + n) % len(e.frame)
	return n, nil
}

func TestReader_allocatesNothingPerMessage(t *testing.T) {
	for _, n := range []int{640, 3200, 60_000} {
		r := NewReader(&endless{frame: AppendMasked(nil, Binary, make([]byte, n), key)}, Server, 1<<20)
		step := func() {
			if _, p, err := r.Next(); err != nil || len(p) != n {
				t.Fatal(len(p), err)
			}
		}
		step()
		if a := testing.AllocsPerRun(200, step); a != 0 {
			t.Errorf("%d bytes: %v allocations per message", n, a)
		}
	}
}

// benchSizes are a frame of the microphone, its JSON, 100 ms of it, and a second of speech.
var benchSizes = []int{640, 900, 3200, 48_000}

func BenchmarkReader_next(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := NewReader(&endless{frame: AppendMasked(nil, Binary, make([]byte, n), key)}, Server, 1<<20)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				if _, _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSealMasked(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			buf := make([]byte, Room+n)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				SealMasked(buf, Text, key)
			}
		})
	}
}
