package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// usage is what a process and its children have used since their starts, and hold.
type usage struct {
	threads    map[string]time.Duration // CPU of each, as the scheduler counts it
	cpu        time.Duration            // of all, as /proc/<pid>/stat counts it: to 10 ms
	residentKB int64
}

// tick is the unit of CPU times in /proc/<pid>/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// usageOf sums a process and its children: nginx has a worker.
func usageOf(pid int) (u usage, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return u, err
	}
	self := fmt.Sprintf("/proc/%d/stat", pid)
	found := false
	u.threads = map[string]time.Duration{}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		s, ok := parseStat(text)
		if !ok || name != self && s.parent != pid {
			continue
		}
		found = found || name == self
		u.cpu += s.cpu
		u.residentKB += s.residentKB
		u.addThreads(filepath.Dir(name))
	}
	if !found {
		return u, fmt.Errorf("the relay's process %d has ended", pid)
	}
	return u, nil
}

// addThreads reads the time on a processor of every thread of a process, in nanoseconds (the kernel's
// Documentation/scheduler/sched-stats.rst); kernels without scheduler statistics have none.
func (u *usage) addThreads(process string) {
	names, _ := filepath.Glob(process + "/task/*/schedstat") // the pattern is right
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		if ns, err := strconv.ParseInt(first, 10, 64); err == nil {
			u.threads[name] = time.Duration(ns)
		}
	}
}

// since is the CPU that was used after before. Of threads that have ended in between, what they used in between is not
// in it, where the scheduler counts.
func (u usage) since(before usage) (cpu time.Duration) {
	if len(u.threads) == 0 {
		return u.cpu - before.cpu
	}
	for name, now := range u.threads {
		cpu += now - before.threads[name]
	}
	return cpu
}

type stat struct {
	parent     int
	cpu        time.Duration
	residentKB int64
}

// parseStat reads proc_pid_stat(5). The program's name, in parentheses, may hold anything.
func parseStat(text []byte) (s stat, ok bool) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return s, false
	}
	fields := strings.Fields(string(text[end+1:]))
	// The fields are counted from 1, and the first behind the name is the third.
	const parent, user, system, resident = 4 - 3, 14 - 3, 15 - 3, 24 - 3
	if len(fields) <= resident {
		return s, false
	}
	var n [4]int64
	for i, at := range []int{parent, user, system, resident} {
		var err error
		if n[i], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return s, false
		}
	}
	return stat{int(n[0]), time.Duration(n[1]+n[2]) * tick, n[3] * int64(os.Getpagesize()) / 1024}, true
}

// busy is how long a processor has worked for processes, or was given to somebody else by the host, by proc_stat(5). It
// is 0 where that is not told.
func busy(cpu string) time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseBusy(text, cpu)
}

func parseBusy(text []byte, cpu string) (sum time.Duration) {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != "cpu"+cpu {
			continue
		}
		const user, nice, system, steal = 1, 2, 3, 8
		for _, at := range []int{user, nice, system, steal} {
			n, err := strconv.ParseInt(fields[at], 10, 64)
			if err != nil {
				return 0
			}
			sum += time.Duration(n) * tick
		}
	}
	return sum
}

// divide gives the last of the processors that this process may use to the relays, and the others to this process. It
// returns "" where there is nothing to divide, and says why.
func divide() (relays string, generator []string, why string) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", nil, err.Error()
	}
	cpus := allowed(status)
	if len(cpus) < 2 {
		return "", nil, "there is one processor"
	}
	program, err := exec.LookPath("taskset")
	if err != nil {
		return "", nil, "taskset is not installed: sudo apt-get install -y util-linux"
	}
	relays, generator = cpus[len(cpus)-1], cpus[:len(cpus)-1]
	self := strconv.Itoa(os.Getpid())
	if said, err := exec.Command(program, "-a", "-c", "-p", strings.Join(generator, ","), self).CombinedOutput(); err != nil { //nolint:gosec // numbers
		return "", nil, fmt.Sprintf("taskset: %v: %s", err, said)
	}
	return relays, generator, ""
}

// startOn starts cmd on one processor; empty: on any. taskset would do, but is a program of its own, whose start would be
// measured with the relay's. What a thread may run on is inherited, so the thread takes it for the time of the start. Letting
// the thread end instead would not do: the process's first one does not end with its goroutine (runtime, goexit0).
func startOn(cpu string, cmd *exec.Cmd) error {
	if cpu == "" {
		return cmd.Start()
	}
	n, err := strconv.Atoi(cpu)
	if err != nil {
		return err
	}
	var before, one processors
	if n < 0 || n >= 8*len(one) {
		return fmt.Errorf("processor %d is beyond what can be named", n)
	}
	one[n/8] = 1 << (n % 8)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := before.affinity(syscall.SYS_SCHED_GETAFFINITY); err != nil {
		return fmt.Errorf("ask which processors may be used: %w", err)
	}
	if err := one.affinity(syscall.SYS_SCHED_SETAFFINITY); err != nil {
		return fmt.Errorf("choose processor %d: %w", n, err)
	}
	err = cmd.Start()
	if err := before.affinity(syscall.SYS_SCHED_SETAFFINITY); err != nil {
		panic(fmt.Sprintf("a thread that may run on processor %d only cannot be told otherwise: %v", n, err)) // it would slow all that follows
	}
	return err
}

// processors is a set of 1,024 of them, one bit each, as cpu_set_t of sched.h.
type processors [128]byte

// affinity gets or sets, by the system call's number, where the calling thread may run.
func (p *processors) affinity(call uintptr) error {
	if _, _, errno := syscall.RawSyscall(call, 0, uintptr(len(p)), uintptr(unsafe.Pointer(p))); errno != 0 {
		return errno
	}
	return nil
}

// allowed takes the processors out of proc_pid_status(5), where they are written 0-3,8.
func allowed(status []byte) (cpus []string) {
	for line := range strings.Lines(string(status)) {
		list, ok := strings.CutPrefix(line, "Cpus_allowed_list:")
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			low, err1 := strconv.Atoi(first)
			high, err2 := strconv.Atoi(last)
			if err1 != nil || err2 != nil {
				return nil
			}
			for cpu := low; cpu <= high; cpu++ {
				cpus = append(cpus, strconv.Itoa(cpu))
			}
		}
	}
	return cpus
}
