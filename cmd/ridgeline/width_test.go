package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/claims"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/scaling"
)

// Everything people read fits 100 columns: help, lists, and the tables of every model and
// device there is.
func TestWidth(t *testing.T) {
	if testing.Short() {
		t.Skip("every verb over every preset takes long")
	}
	var lines [][]string
	for _, c := range rootCommand(io.Discard).Commands() {
		lines = append(lines, []string{c.Name(), "--help"})
		for _, sub := range c.Commands() {
			if c.Name() != "completion" { // cobra's own words
				lines = append(lines, []string{c.Name(), sub.Name(), "--help"})
			}
		}
	}
	lines = append(lines, []string{"--help"}, []string{"models"}, []string{"hardware"},
		[]string{"advise", "sambay(d=16,gmu_ratio=0.25,window=1024)"}, []string{"claims"}, []string{"claims", "--id", strings.Join(claims.IDs(), ",")},
		[]string{"claims", "--on", "h200", "--kv-read", "packed_unless_windowed", "--diff-kernel", "four_pass"},
		[]string{"compare", "phi4-mini", "phi4-mini-flash", "--batch", "max"},
		[]string{"compare", "phi4-mini", "sambay(d=16,gmu_ratio=0.25,window=256,heads=16,kv_heads=4,head_dim=128,vocab=64000)"})
	lines = append(lines, []string{"scale", "train", "--speeds"}, []string{"scale", "mup", "sambay(d=24)", "--batch", "4Mi"},
		[]string{"scale", "mup", "sambay(d=24,tied=false,window=256,heads=16,kv_heads=4,head_dim=128)", "--rule", "card"})
	everyFamily := []string{"scale", "--match", "transformer++(d=16)", "--by", "counting-form"}
	for _, f := range family.Families() {
		everyFamily = append(everyFamily, f.Name+"(d=16)")
	}
	lines = append(lines, everyFamily)
	for _, by := range scaling.Measures() {
		lines = append(lines, []string{"scale", "sambay(d=16,window=256,heads=16,kv_heads=4,head_dim=128)", "--match", "transformer++(d=16)", "--by", by})
	}
	all := []string{"compare", "phi4-mini"}
	for _, p := range models.Presets() {
		all = append(all, p.Name)
		lines = append(lines, []string{"advise", p.Name, "--batch", "16"}, []string{"models", p.Name}, []string{"estimate", p.Name, "--batch", "16", "--breakdown"},
			[]string{"compare", "phi4-mini", p.Name, "--batch", "64"}, []string{"scale", "train", p.Name})
	}
	for _, p := range hardware.All() {
		lines = append(lines, []string{"hardware", p.Name}, []string{"compare", "phi4-mini", "phi4-mini-flash", "--on", p.Name})
	}
	for _, args := range append(lines, all) {
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, &out, &errs); code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, errs.String())
		}
		for _, l := range strings.Split(out.String(), "\n") {
			if n := utf8.RuneCountInString(l); n > reports.Width {
				t.Errorf("%s\nprints %d columns: %s", strings.Join(args, " "), n, l)
			}
		}
	}
}

// An interrupted run says so in one line and exits 130.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"hardware", "measure"}, &out, &errs)
	if code != exitStopped || out.Len() > 0 || errs.String() != "ridgeline: stopped\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out.String(), errs.String())
	}
}

// A terminal of 80 columns is not written past.
func TestNarrowTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	for _, args := range [][]string{
		{"models"}, {"estimate", "phi4-mini-flash"}, {"compare", "phi4-mini", "phi4-mini-flash"}, {"hardware"}, {"hardware", "a100-80gb"}, {"models", "phi4-mini-flash"},
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, &out, &errs); code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, errs.String())
		}
		for _, l := range strings.Split(out.String(), "\n") {
			if n := utf8.RuneCountInString(l); n > 80 {
				t.Errorf("%v prints %d columns: %s", args, n, l)
			}
		}
	}
}
