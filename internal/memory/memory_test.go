package memory

import (
	"testing"
	"testing/fstest"
)

func TestAvailable(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	meminfo := file("MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable:      40 kB\n")
	for _, c := range []struct {
		name string
		root fstest.MapFS
		want int64
	}{
		{"nothing", fstest.MapFS{}, 0},
		{"machine", fstest.MapFS{"proc/meminfo": meminfo}, 40 << 10},
		{"not a number", fstest.MapFS{"proc/meminfo": file("MemAvailable: x kB\n")}, 0},
		{"group without a limit", fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": file("max\n"), "sys/fs/cgroup/memory.current": file("5\n")}, 40 << 10},
		{"group", fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": file("30000\n"), "sys/fs/cgroup/memory.current": file("10000\n")}, 20000},
		{"group that is full", fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": file("30000\n"), "sys/fs/cgroup/memory.current": file("30001\n")}, 1},
		{"old group", fstest.MapFS{"sys/fs/cgroup/memory/memory.limit_in_bytes": file("900\n"), "sys/fs/cgroup/memory/memory.usage_in_bytes": file("100\n")}, 800},
		{"large group", fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": file("99999999\n"), "sys/fs/cgroup/memory.current": file("1\n")}, 40 << 10},
	} {
		if got := Available(c.root); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
}

func TestBound(t *testing.T) {
	for _, c := range []struct {
		available int64
		want      int
	}{{0, Most / 8}, {1, 0}, {400, 100}, {4 * Most, Most}, {400 * Most, Most}} {
		if got := bound(c.available); got != c.want {
			t.Errorf("of %d bytes %d may be taken, want %d", c.available, got, c.want)
		}
	}
	if n := Bound(); n <= 0 || n > Most {
		t.Errorf("%d bytes may be taken here", n)
	}
}
