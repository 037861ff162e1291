package pcm

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func scan(s *Scanner, pcm []byte) (runs []Run) {
	s.Scan(pcm, func(r Run) { runs = append(runs, r) })
	return runs
}

func TestScanner_readsBackWhatWasMade(t *testing.T) {
	pcm := Append(nil, 7, 3200, 640, false)
	pcm = Append(pcm, 7, 3840, 1280, true)
	pcm = Append(pcm, 7, 5120, 64, false)
	want := []Run{{Quiet, 7, 3200, 640}, {Speech, 7, 3840, 1280}, {Quiet, 7, 5120, 64}}
	if got := scan(new(Scanner), pcm); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// However a stream is cut into pieces, inside samples too, the scanner sees the same samples.
func TestScanner_doesNotMindWhereAPieceEnds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole := Append(nil, 300, 1005, 5000, true)
	for range 50 {
		var s Scanner
		next := int64(1005)
		for rest := whole; len(rest) > 0; {
			n := min(len(rest), 100+rng.IntN(900))
			for _, r := range scan(&s, rest[:n]) {
				if r.Kind != Speech || r.Who != 300 || r.Pos != next {
					t.Fatalf("%+v, want speech of 300 at %d", r, next)
				}
				next = r.End()
			}
			rest = rest[n:]
		}
		if next != 6005 {
			t.Fatalf("read up to %d, want 6005", next)
		}
	}
}

func TestScanner_tellsLostDoubledZerosAndStrangers(t *testing.T) {
	var pcm []byte
	pcm = Append(pcm, 1, 0, 100, true)
	pcm = Append(pcm, 1, 333, 100, true)      // 233 lost
	pcm = Append(pcm, 1, 401, 100, true)      // 32 doubled
	pcm = append(pcm, make([]byte, 2*160)...) // padded
	pcm = Append(pcm, 1, 501, 99, true)       // goes on
	pcm = Append(pcm, 2, 600, 100, false)     // somebody else
	pcm = binary.LittleEndian.AppendUint16(pcm, 5)
	pcm = Append(pcm, 2, 700, 50, false)
	want := []Run{
		{Speech, 1, 0, 100}, {Speech, 1, 333, 105}, {Speech, 1, 406, 95}, {Zero, 0, 0, 160}, {Speech, 1, 501, 99},
		{Quiet, 1, 600, 2}, {Quiet, 2, 602, 98}, {Foreign, 0, 0, 1}, {Quiet, 2, 700, 50},
	}
	if got := scan(new(Scanner), pcm); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The levels are what the simulator's detector, and any other, tells apart.
func TestAppend_isLoudOrQuietInEvery10Milliseconds(t *testing.T) {
	for _, loud := range []bool{true, false} {
		pcm := Append(nil, 9, 123456, Rate, loud)
		for i := 0; i+320 <= len(pcm); i += 320 {
			sum := 0.0
			for k := range 160 {
				v := float64(sample(pcm[i:], k))
				sum += v * v
			}
			if rms := math.Sqrt(sum / 160); loud && rms < 3000 || !loud && rms > 60 {
				t.Fatalf("loud=%v: a root mean square of %.0f", loud, rms)
			}
		}
	}
}

func TestAppend_neverMakesDigitalSilence(t *testing.T) {
	pcm := Append(nil, 0, 0, 100*Block, false)
	for i := range 100 * Block {
		if sample(pcm, i) == 0 {
			t.Fatalf("sample %d is 0", i)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add(Append(nil, 1, 77, 200, true))
	f.Add(make([]byte, 99))
	f.Fuzz(func(t *testing.T, pcm []byte) {
		n := int64(0)
		new(Scanner).Scan(pcm, func(r Run) {
			if r.N <= 0 {
				t.Fatalf("an empty run %+v", r)
			}
			n += r.N
		})
		if n != int64(len(pcm)/2) {
			t.Fatalf("%d samples in runs, want %d", n, len(pcm)/2)
		}
	})
}
