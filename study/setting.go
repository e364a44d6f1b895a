package study

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/units"
)

// setting lists what a chart's numbers assume: devices, load, formats, fidelity, and which
// measurements they rest on. parts says which of prompt, generate and batch matter.
func (s *Setup) setting(parts ...string) []string {
	c := s.Compiled[0]
	out := []string{s.devices()}
	for _, p := range parts {
		switch {
		case p == "prompt":
			out = append(out, "prompt "+Tokens(s.Load.Prompt)+" tokens")
			out = append(out, s.cached()...)
		case p == "generate":
			out = append(out, Tokens(s.Load.Generate)+" generated")
		case p == "batch" && s.Load.Batch == 0:
			out = append(out, "largest batch that fits")
		case p == "batch":
			out = append(out, "batch "+units.Int(float64(s.Load.Batch)))
		}
	}
	out = append(out, s.formats())
	if c.Options.KVRead != execution.Packed {
		out = append(out, "kernels read K and V "+strings.ReplaceAll(c.Options.KVRead.String(), "_", " "))
	}
	if c.Options.Prefill == execution.Full && slices.Contains(parts, "prompt") {
		out = append(out, "full prefill")
	}
	return append(out, s.fidelity())
}

// cached says which share of each prompt is in the cache, where there is one.
func (s *Setup) cached() []string {
	if s.Load.PrefixShare <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("%.3g %% of it cached", 100*s.Load.PrefixShare)}
}

// fidelity names the fidelity and which measurements it rests on. Where devices are priced at
// several fidelities, each is followed by its devices.
func (s *Setup) fidelity() string {
	fs := s.Fidelities()
	var parts []string
	for _, f := range fs {
		var bases, on []string
		for _, c := range s.Compiled {
			if c.Fidelity(s.Fidelity) != f {
				continue
			}
			if b, _, _ := strings.Cut(s.basis(c), " ("); !slices.Contains(bases, b) {
				bases = append(bases, b)
			}
			if !slices.Contains(on, c.Hardware.Name) {
				on = append(on, c.Hardware.Name)
			}
		}
		part := f.String()
		if len(fs) > 1 {
			part += " on " + strings.Join(on, ", ")
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", part, strings.Join(bases, "; ")))
	}
	out := "fidelity " + strings.Join(parts, " and ")
	if slices.Contains(fs, costmodel.Calibrated) && s.Compiled[0].Options.Engine != "" {
		out = fmt.Sprintf("engine %s · %s", s.Compiled[0].Options.Engine, out)
	}
	return out
}

// devices lists the devices without repetition.
func (s *Setup) devices() string {
	var all []string
	for _, c := range s.Compiled {
		n := c.Hardware.Title
		if s.severalDevices() {
			n = c.Hardware.Name
		}
		if c.Devices() > 1 {
			n += fmt.Sprintf(" × %d", c.Devices())
		}
		if c.Ranks() != "" && c.Devices() > c.TP() {
			n += " (" + c.Ranks() + ")"
		}
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return strings.Join(all, ", ")
}

// formats says in which formats models are stored, in one phrase where all is stored in one
// format.
func (s *Setup) formats() string {
	var all []string
	for _, c := range s.Compiled {
		f := c.Formats()
		var kinds []string
		for _, p := range strings.Split(f, ", ") {
			if _, k, ok := strings.Cut(p, " "); ok && !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
		if len(kinds) == 1 {
			f = kinds[0] + " throughout"
		}
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	if len(all) > 2 {
		return "each in the formats of its checkpoint"
	}
	return strings.Join(all, " or ")
}

// Tokens writes a number of tokens as people write lengths: 32Ki, 2k, 2,500.
func Tokens(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + "Mi"
	case n >= 1024 && n%1024 == 0:
		return strconv.Itoa(n>>10) + "Ki"
	case n >= 1_000_000 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + "M"
	case n >= 1000 && n%1000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return units.Int(float64(n))
}

func (s *Setup) severalDevices() bool {
	for _, c := range s.Compiled {
		if c.Hardware.Name != s.Compiled[0].Hardware.Name {
			return true
		}
	}
	return false
}

func (s *Setup) severalModels() bool {
	for _, c := range s.Compiled {
		if c.Model.Name != s.Compiled[0].Model.Name {
			return true
		}
	}
	return false
}

// name returns a name that tells a model on a device from the others of the setup.
func (s *Setup) name(c *costmodel.Compiled) string {
	switch {
	case !s.severalDevices():
		return c.Model.Name
	case !s.severalModels():
		return c.Hardware.Name
	}
	return c.Model.Name + " on " + c.Hardware.Name
}

// series returns an empty series for a model on a device.
func (s *Setup) series(c *costmodel.Compiled) Series {
	return Series{Name: s.name(c), Model: c.Model.Name, Device: c.Hardware.Name, Fidelity: c.Fidelity(s.Fidelity).String(), Basis: s.basis(c)}
}

// of returns " of" and the model's name for a title, or "" where there are several models.
func (s *Setup) of() string {
	if s.severalModels() {
		return ""
	}
	return ": " + s.Compiled[0].Model.Name
}

// finish adds to a chart's setting what its bands and broken lines mean.
func finish(c *Chart) *Chart {
	if c.banded() {
		c.Setting = append(c.Setting, "bands hold 90 % of measurements")
	}
	if c.misfits() {
		c.Setting = append(c.Setting, c.Panels[0].Form.misfits())
	}
	return c
}

// misfits says how points that do not fit their device are drawn.
func (f Form) misfits() string {
	switch f {
	case Bars, Grid:
		return "hatched: does not fit the device"
	case Roofline:
		return "rings: does not fit the device"
	}
	return "broken lines: does not fit the device"
}
