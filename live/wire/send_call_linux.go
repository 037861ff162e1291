//go:build linux && (amd64 || arm64) && !race

package wire

import (
	"syscall"
	"unsafe"
)

// putMore is put, and says that more follows. As in call, the scheduler is not told.
func putMore(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_MORE, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// sendfile sends what the socket takes of a file in memory, whose bytes nobody has to wait for.
func sendfile(to, from uintptr, offset int64, count int) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDFILE, to, from, uintptr(unsafe.Pointer(&offset)), uintptr(count), 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
