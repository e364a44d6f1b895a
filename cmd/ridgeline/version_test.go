package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	got := versionOf(&debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-11-25T01:02:03Z"}, {Key: "vcs.modified", Value: "true"},
	}})
	if want := "ridgeline v1.2.3, commit 0123456789ab of 2026-11-25, changed since, go1.26 "; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q…", got, want)
	}
	if got := versionOf(&debug.BuildInfo{GoVersion: "go1.26"}); !strings.HasPrefix(got, "ridgeline, development build, go1.26 ") {
		t.Errorf("%q", got)
	}
	var out, errs lines
	if code := run(t.Context(), []string{"--version"}, &out, &errs); code != 0 || out.n != 1 || errs.n != 0 || !strings.HasPrefix(out.text, "ridgeline") {
		t.Errorf("exit %d: %q %q", code, out.text, errs.text)
	}
}
