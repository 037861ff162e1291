//go:build linux && (amd64 || arm64) && race

package wire

import "syscall"

// Here the scheduler is told, and the race detector: see call.

func putMore(fd uintptr, p []byte) (int, syscall.Errno) { return put(fd, p, false) }

func sendfile(to, from uintptr, offset int64, count int) (int, syscall.Errno) {
	return call(func(to int, _ []byte) (int, error) { return syscall.Sendfile(to, int(from), &offset, count) }, 0, to, nil)
}
