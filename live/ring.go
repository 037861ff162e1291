package live

// ring is a queue that grows to what it once held and keeps it. The zero value is empty.
type ring[T any] struct {
	buf  []T // len is a power of two
	head int32
	n    int32
}

func (r *ring[T]) len() int { return int(r.n) }

// at is the element i places behind the head.
func (r *ring[T]) at(i int) *T { return &r.buf[(int(r.head)+i)&(len(r.buf)-1)] }

func (r *ring[T]) push(v T) {
	if r.len() == len(r.buf) {
		grown := make([]T, max(1, 2*len(r.buf)))
		for i := range r.len() {
			grown[i] = *r.at(i)
		}
		r.buf, r.head = grown, 0
	}
	r.n++
	*r.at(r.len() - 1) = v
}

// pop removes the head and returns it.
func (r *ring[T]) pop() T {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & int32(len(r.buf)-1)
	r.n--
	return v
}

// drop removes the newest element.
func (r *ring[T]) drop() {
	var zero T
	*r.at(r.len() - 1) = zero
	r.n--
}
