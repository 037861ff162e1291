//go:build unix && (!linux || !(amd64 || arm64))

package wire

import "syscall"

// put writes what the socket takes of p.
func put(fd uintptr, p []byte, _ bool) (int, syscall.Errno) {
	return call(syscall.Write, writeCall, fd, p)
}
