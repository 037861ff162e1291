package live

import "sync"

// places is a queue in pooled segments: it takes what it holds, and leaves no garbage when it grows. The zero value is empty.
type places[T any] struct {
	segments []*segment[T]
	head     int32 // in the first segment
	n        int32
}

// segment is chosen so that items and marks fill a size class of Go's allocator.
type segment[T any] [segmentPlaces]T

const segmentPlaces = 32

func (p *places[T]) len() int { return int(p.n) }

// size is for how many there is memory.
func (p *places[T]) size() int { return len(p.segments) * segmentPlaces }

// at is the one i places behind the head.
func (p *places[T]) at(i int) *T {
	place := uint(i + int(p.head))
	return &p.segments[place/segmentPlaces][place%segmentPlaces]
}

// growth is how many places more the next push takes.
func (p *places[T]) growth() int {
	if int(p.head+p.n) < p.size() {
		return 0
	}
	return segmentPlaces
}

func (p *places[T]) push(v T, pool *sync.Pool) {
	if p.growth() > 0 {
		s, ok := pool.Get().(*segment[T])
		if !ok {
			s = new(segment[T])
		}
		p.segments = append(p.segments, s)
	}
	p.n++
	*p.at(p.len() - 1) = v
}

// pop removes the head, and returns how many places less that takes.
func (p *places[T]) pop(pool *sync.Pool) (places int) {
	var zero T
	*p.at(0) = zero
	p.head++
	p.n--
	if p.n > 0 && p.head < segmentPlaces {
		return 0
	}
	if p.n == 0 {
		return p.clear(pool)
	}
	pool.Put(p.segments[0])
	last := copy(p.segments, p.segments[1:])
	p.segments[last] = nil
	p.segments, p.head = p.segments[:last], 0
	return segmentPlaces
}

// drop removes the newest, and returns how many places less that takes.
func (p *places[T]) drop(pool *sync.Pool) (places int) {
	var zero T
	*p.at(p.len() - 1) = zero
	p.n--
	if p.n == 0 {
		return p.clear(pool)
	}
	last := len(p.segments) - 1
	if int(p.head+p.n) > last*segmentPlaces {
		return 0
	}
	pool.Put(p.segments[last])
	p.segments[last] = nil
	p.segments = p.segments[:last]
	return segmentPlaces
}

// clear removes all, and returns how many places less that takes.
func (p *places[T]) clear(pool *sync.Pool) (places int) {
	places = p.size()
	for i, s := range p.segments {
		*s = segment[T]{}
		pool.Put(s)
		p.segments[i] = nil
	}
	p.segments, p.head, p.n = p.segments[:0], 0, 0
	return places
}
