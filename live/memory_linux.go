package live

import (
	"os"
	"syscall"
)

// mapMemory takes memory from the system. nil: it has none, or none in pages as small as a chunk.
func mapMemory(size int) []byte {
	if os.Getpagesize() != chunkSize {
		return nil
	}
	p, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	// A huge page would be there as a whole for one chunk that is used, and come back when others were given back.
	_ = syscall.Madvise(p, syscall.MADV_NOHUGEPAGE)
	return p
}

// discardMemory gives the memory of p back, which mapMemory gave. It reads as zeros from then on.
func discardMemory(p []byte) { _ = syscall.Madvise(p, syscall.MADV_DONTNEED) }
