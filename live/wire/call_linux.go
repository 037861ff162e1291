//go:build linux && !race

package wire

import (
	"syscall"
	"unsafe"
)

const (
	readCall  = syscall.SYS_READ
	writeCall = syscall.SYS_WRITE
)

// call reads or writes p, which is not empty, behind the scheduler's back. That is right for as long as the call cannot
// block: package net makes all its sockets so.
func call(_ func(int, []byte) (int, error), number, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
