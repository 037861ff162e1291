package live

import "unsafe"

// copyLines copies lines of 64 bytes, at least one, to where one begins.
//
//go:noescape
func copyLines(dst, src *byte, lines int)

const (
	line = 64
	// fewLines are copied as usual: they cost as much either way.
	fewLines = 32
)

// copyFar is copy, for what is not looked at for long and goes to memory that is in no cache: to fetch that only to overwrite it
// takes time, and the place of what is in use.
func copyFar(dst, src []byte) int {
	n := min(len(dst), len(src))
	if n < (fewLines+1)*line {
		return copy(dst, src)
	}
	at := copy(dst[:-uintptr(unsafe.Pointer(&dst[0]))%line], src)
	lines := (n - at) / line
	copyLines(&dst[at], &src[at], lines)
	at += lines * line
	return at + copy(dst[at:n], src[at:n])
}
