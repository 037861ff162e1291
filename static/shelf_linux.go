package static

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newShelf makes a file of memory, and maps it.
func newShelf(size int) (*os.File, []byte, error) {
	fd, err := unix.MemfdCreate("static", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	shelf := os.NewFile(uintptr(fd), "static")
	err = unix.Fallocate(fd, 0, 0, int64(size)) // all of it now: what is missing later would end the process
	if err != nil {
		_ = shelf.Close()
		return nil, nil, fmt.Errorf("fallocate: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = shelf.Close()
		return nil, nil, fmt.Errorf("mmap: %w", err)
	}
	return shelf, memory, nil
}

// settle lets nobody write to a shelf any more.
func settle(memory []byte) error { return unix.Mprotect(memory, unix.PROT_READ) }
