package live

import (
	"cmp"
	"slices"
	"sync"
	"unsafe"
)

// A chunk takes a page: 128 ms of 16 kHz audio. How it is used is counted, too.
const (
	chunkSize   = 4 << 10
	chunkMemory = chunkSize + 32
)

// chunk is pooled memory for audio. It belongs to one inbox, which counts the items in it, or to one kept. How it is used
// does not lie beside the audio, which is in no cache when it is forgotten, half a minute later.
type chunk struct {
	data   *[chunkSize]byte
	used   int32
	refs   int32
	next   *chunk // of those that are free
	mapped bool   // data is not Go's; otherwise it is nil in a free chunk without memory
}

// chunks are all of the process. What is kept is most of a busy process' memory, and lives for half a minute: it lies outside
// of Go's heap, where the collector would let a quarter as much of garbage lie on top of it, and keep account of each page.
//
// The race detector sees Go's heap only.
var chunks = chunkPool{mapped: !raceDetector}

// chunkPool is memory in pages, which it takes from the system a slab at a time. Address space is never given back; the memory
// of chunks that are free is, so that what one busy hour took does not stay. It is safe for concurrent use.
type chunkPool struct {
	mapped bool // memory is the system's, where that can be

	mu    sync.Mutex
	warm  *chunk // free, with memory
	cold  *chunk // free, without
	warms int
	used  int // by sessions
}

const (
	slabChunks = 256 // 1 MiB
	// fewWarm free chunks keep their memory, and an eighth of those that are used.
	fewWarm = 64
	// mostCooled at once: the session that gives the one too many back waits for it, with a lock held.
	mostCooled = 32
)

// take gives a chunk, with anything in it.
func (p *chunkPool) take() *chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used++
	if p.warm != nil {
		p.warms--
		return pop(&p.warm)
	}
	if p.cold == nil {
		p.grow()
	}
	c := pop(&p.cold)
	if c.data == nil {
		c.data = new([chunkSize]byte)
	}
	return c
}

// put takes a chunk back.
func (p *chunkPool) put(c *chunk) {
	c.used, c.refs = 0, 0
	p.mu.Lock()
	p.used--
	c.next, p.warm = p.warm, c
	p.warms++
	var many []*chunk
	if most := fewWarm + p.used/8; p.warms > most {
		many = make([]*chunk, min(p.warms-most/2, mostCooled))
		for i := range many {
			many[i] = pop(&p.warm)
		}
		p.warms -= len(many)
	}
	p.mu.Unlock()
	if many != nil {
		p.cool(many)
	}
}

// cool gives the memory of chunks back, which nobody else knows now.
func (p *chunkPool) cool(free []*chunk) {
	slices.SortFunc(free, func(a, b *chunk) int { return cmp.Compare(a.address(), b.address()) })
	for from, to := 0, 0; from < len(free); from = to {
		to = from + 1
		if !free[from].mapped {
			free[from].data = nil
			continue
		}
		for to < len(free) && free[to].mapped && free[to].address() == free[to-1].address()+chunkSize {
			to++ // neighbours with one call
		}
		discardMemory(unsafe.Slice(&free[from].data[0], (to-from)*chunkSize))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range slices.Backward(free) {
		c.next, p.cold = p.cold, c
	}
}

// grow takes another slab. Called with mu held.
func (p *chunkPool) grow() {
	var memory []byte // nil: each chunk has its own of Go's
	if p.mapped {
		memory = mapMemory(slabChunks * chunkSize)
	}
	slab := make([]chunk, slabChunks)
	for i := range slices.Backward(slab) {
		c := &slab[i]
		if memory != nil {
			c.data, c.mapped = (*[chunkSize]byte)(memory[i*chunkSize:]), true
		}
		c.next, p.cold = p.cold, c
	}
}

// pop takes the first chunk of a list that is not empty.
func pop(list **chunk) *chunk {
	c := *list
	*list, c.next = c.next, nil
	return c
}

func (c *chunk) address() uintptr { return uintptr(unsafe.Pointer(c.data)) }
