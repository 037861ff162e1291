//go:build !unix

package frame

// canPoll says that a descriptor cannot be read here: sources are read as any other, with memory that waits.
const canPoll = false

func (r *Reader) tryRead(uintptr) bool { return true }
