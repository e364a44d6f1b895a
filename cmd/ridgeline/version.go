package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version returns what --version prints: the release or commit, its date, whether the sources
// were changed, and the version of Go and the machine for which it was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Sprintf("ridgeline, unknown version, %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	parts := []string{"ridgeline"}
	switch v := info.Main.Version; {
	case v != "" && v != "(devel)":
		parts[0] += " " + v
	default:
		parts[0] += ", development build"
	}
	if commit := set["vcs.revision"]; commit != "" {
		commit = "commit " + commit[:min(12, len(commit))]
		if day, _, ok := strings.Cut(set["vcs.time"], "T"); ok {
			commit += " of " + day
		}
		if set["vcs.modified"] == "true" {
			commit += ", changed since"
		}
		parts = append(parts, commit)
	}
	parts = append(parts, fmt.Sprintf("%s %s/%s", info.GoVersion, runtime.GOOS, runtime.GOARCH))
	return strings.Join(parts, ", ")
}
