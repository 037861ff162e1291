package live

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"
)

// Chunks of one pool are never two sessions' at once, and those that are free keep little memory.
func TestChunkPool(t *testing.T) {
	for name, mapped := range map[string]bool{"the system's": true, "Go's": false} {
		t.Run(name, func(t *testing.T) {
			pool := &chunkPool{mapped: mapped}
			var all sync.WaitGroup
			for id := range byte(8) {
				all.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(id), 1))
					mine, full := []*chunk(nil), bytes.Repeat([]byte{id + 1}, chunkSize)
					for range 200 {
						for range rng.IntN(60) {
							c := pool.take()
							copy(c.data[:], full)
							mine = append(mine, c)
						}
						for range rng.IntN(len(mine) + 1) {
							last := len(mine) - 1
							c := mine[last]
							if mine = mine[:last]; !bytes.Equal(c.data[:], full) {
								t.Error("another one's audio is in a chunk")
								return
							}
							pool.put(c)
						}
					}
					for _, c := range mine {
						pool.put(c)
					}
				})
			}
			all.Wait()
			if pool.used != 0 || pool.warms > fewWarm {
				t.Errorf("%d chunks are used, and %d keep their memory, when all are free", pool.used, pool.warms)
			}
			if runtime.GOOS != "linux" && mapped {
				return
			}
			for c := pool.cold; c != nil; c = c.next {
				if c.data != nil && !bytes.Equal(c.data[:], zeros[:]) {
					t.Fatal("a chunk that was given back has its memory")
				}
			}
		})
	}
}

// What is used as it comes and goes takes nothing from the system, and gives nothing back.
func TestChunkPool_keepsWhatIsUsedAgain(t *testing.T) {
	pool := &chunkPool{mapped: true}
	kept := make([]*chunk, 1000)
	for i := range kept {
		kept[i] = pool.take()
	}
	oldest := 0
	if n := testing.AllocsPerRun(10_000, func() {
		pool.put(kept[oldest])
		kept[oldest] = pool.take()
		oldest = (oldest + 1) % len(kept)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if pool.used != len(kept) || pool.warms > 1 {
		t.Errorf("%d chunks are used and %d free, want %d and at most one", pool.used, pool.warms, len(kept))
	}
}

// A field more than fits makes each idle session larger by the rest of the allocator's next class, 384 bytes.
func TestSession_fillsItsSizeClass(t *testing.T) {
	const class = 2688
	if size := unsafe.Sizeof(Session{}); size > class {
		t.Errorf("a session takes %d bytes, want %d at most", size, class)
	}
	if unsafe.Sizeof(chunk{}) > chunkMemory-chunkSize {
		t.Errorf("a chunk takes %d bytes beside its page, and %d are counted", unsafe.Sizeof(chunk{}), chunkMemory-chunkSize)
	}
}

// places against a slice.
func TestPlaces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	var (
		pool sync.Pool
		p    places[int]
		want []int
		size int // as it is told
	)
	for i := range 100_000 {
		grow := 6
		if i/5000%2 == 1 {
			grow = 3
		}
		switch n := rng.IntN(10); {
		case n < grow:
			size += p.growth()
			p.push(i, &pool)
			want = append(want, i)
		case len(want) == 0:
		case n < 9:
			if *p.at(0) != want[0] {
				t.Fatalf("%d is popped, want %d", *p.at(0), want[0])
			}
			size -= p.pop(&pool)
			want = want[1:]
		case rng.IntN(500) == 0:
			size -= p.clear(&pool)
			want = nil
		default:
			size -= p.drop(&pool)
			want = want[:len(want)-1]
		}
		if p.len() != len(want) || p.size() != size || size >= len(want)+2*segmentPlaces || size < len(want) {
			t.Fatalf("%d places of %d, want %d of %d", p.len(), p.size(), len(want), size)
		}
		if n := len(want); n > 0 {
			if at := rng.IntN(n); *p.at(at) != want[at] || *p.at(n - 1) != want[n-1] {
				t.Fatalf("place %d of %d holds %d, want %d", at, n, *p.at(at), want[at])
			}
		}
	}
	got := make([]int, p.len())
	for i := range got {
		got[i] = *p.at(i)
	}
	if !slices.Equal(got, want) {
		t.Error("something else is left")
	}
}
