// Package memory says how much memory something that measures the machine may take, so
// that a machine which reports a cache of gigabytes, a container and a small machine are
// all left in peace.
package memory

import (
	"bufio"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Most is what is taken at most, in bytes, however much memory there is: 1 GiB.
const Most = 1 << 30

// Bound is how many bytes may be taken: a quarter of what is available now, at most Most.
// Where the system does not say what is available it is an eighth of Most.
func Bound() int { return bound(Available(os.DirFS("/"))) }

func bound(available int64) int {
	if available <= 0 {
		return Most / 8
	}
	return int(min(available/4, Most))
}

// Available is how many bytes a process can still take without another one suffering, by
// Linux's MemAvailable and, where a control group limits the process, by what is left of
// its limit. It is 0 where neither can be read. root is the file system's root.
func Available(root fs.FS) int64 {
	free := memAvailable(root)
	for _, group := range []struct{ limit, used string }{
		{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"},
		{"sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"},
	} {
		limit, used := number(root, group.limit), number(root, group.used)
		if limit > 0 && used >= 0 && (free == 0 || limit-used < free) {
			free = max(limit-used, 1)
		}
	}
	return free
}

// memAvailable is the figure of /proc/meminfo in bytes, 0 where there is none.
func memAvailable(root fs.FS) int64 {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(v, "kB")), 10, 64)
			if err != nil || kib < 0 {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// number is the whole number that a file holds, -1 where it holds none: a control group
// without a limit says "max".
func number(root fs.FS, name string) int64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
