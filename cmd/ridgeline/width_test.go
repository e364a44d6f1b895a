package main

import (
	"bytes"
	"context"
	"io"
	"strconv"
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

// What every verb prints fits a terminal of 80 and one of 40 columns, and has no colours, whether
// or not NO_COLOR asks for none.
func TestNarrowTerminals(t *testing.T) {
	verbs := map[string][][]string{
		"estimate": {{"phi4-mini-flash", "--breakdown", "--on", "h200,l4"}},
		"compare": {{"phi4-mini", "phi4-mini-flash", "--batch", "16", "--price", "3", "--prompt", "100", "--generate", "50", "--serve", "clients=2", "--slo", "tpot=20ms"},
			{"phi4-mini", "phi4-mini-flash", "llama-3.1-8b", "--on", "h200,l4"}},
		"scale":     {{"sambay(d=16)", "--match", "transformer++(d=16)"}, {"train", "phi4-mini"}, {"mup", "sambay(d=24)"}},
		"advise":    {{"phi4-mini-flash", "--batch", "16"}},
		"claims":    {{"--id", "throughput-10x"}},
		"models":    {{}, {"phi4-mini-flash"}},
		"hardware":  {{}, {"h200"}},
		"simulate":  {{"phi4-mini", "--concurrency", "2", "--num-prompts", "10", "--prompt", "100", "--generate", "20"}},
		"plan":      {{"llama-3.1-8b", "--on", "h200:2", "--prompt", "200", "--generate", "20", "--rate", "2", "--tpot", "50ms", "--seeds", "1", "--num-prompts", "30"}},
		"sweep":     {{"--model", "phi4-mini-flash", "--vary", "batch=1,8,64", "--vary", "generate=1k,32k", "--pareto", "tokens_per_second,params"}},
		"validate":  {{"--only", "golden"}},
		"calibrate": {{"check", "--measured", "../../measured", "--hardware", "h200"}},
		// These serve a page, or write files and text for programs.
		"explore": nil, "report": nil, "plot": nil, "completion": nil,
	}
	for _, c := range rootCommand(io.Discard).Commands() {
		if _, known := verbs[c.Name()]; !known && c.Name() != "help" {
			t.Errorf("%s is not held to narrow terminals", c.Name())
		}
	}
	for _, width := range []int{80, 40} {
		t.Setenv("COLUMNS", strconv.Itoa(width))
		for verb, all := range verbs {
			for _, args := range all {
				t.Setenv("NO_COLOR", map[int]string{80: "1", 40: ""}[width])
				var out, errs bytes.Buffer
				if code := run(context.Background(), append([]string{verb}, args...), &out, &errs); code != 0 {
					t.Errorf("%s %v: exit %d: %s", verb, args, code, errs.String())
				}
				for _, l := range strings.Split(out.String()+errs.String(), "\n") {
					if strings.ContainsRune(l, '\x1b') {
						t.Errorf("%s %v prints a colour: %q", verb, args, l)
					}
				}
				for _, l := range strings.Split(out.String(), "\n") {
					if n := utf8.RuneCountInString(l); n > width {
						t.Errorf("%s %v prints %d columns of %d: %q", verb, args, n, width, l)
					}
				}
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
