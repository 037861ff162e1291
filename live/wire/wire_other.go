//go:build !unix

package wire

// CanTry says whether Read and TryWrite work here.
const CanTry = false

// Read reads nothing.
func Read(uintptr, []byte) (n int, again bool, err error) { return 0, true, nil }

// TryWrite writes nothing: a socket cannot be tried without waiting here.
func (c *Conn) TryWrite([]byte) (int, error) { return 0, nil }

func (c *Conn) read(uintptr) bool  { return true }
func (c *Conn) write(uintptr) bool { return true }
