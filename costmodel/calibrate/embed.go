package calibrate

import (
	"embed"
	"fmt"
	"path"
	"sync"

	"ridgeline/hardware"
)

//go:embed profiles/*.yaml
var files embed.FS

// embedded returns the embedded profiles, in name order.
var embedded = sync.OnceValue(func() []*Profile {
	entries, err := files.ReadDir("profiles")
	if err != nil {
		panic(err) // the embedded directory is part of the binary
	}
	var out []*Profile
	for _, e := range entries {
		name := path.Join("profiles", e.Name())
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		p, err := Parse(name, b)
		if err != nil {
			panic(fmt.Sprintf("embedded %v", err))
		}
		out = append(out, p)
	}
	return out
})

// Embedded returns the profiles that come with ridgeline, in name order.
func Embedded() []*Profile { return append([]*Profile(nil), embedded()...) }

type composedKey struct {
	name string
	d    device
}

var composed sync.Map // composedKey → *Profile

// For returns the profile of a device: fitted where it was measured, otherwise class by
// class the nearest measured relative's curves on this device's datasheet. The error is
// for devices no GPU stands for: they have the datasheet only.
func For(hw *hardware.Profile) (*Profile, error) {
	if !gpu(hw) {
		return nil, fmt.Errorf("%s: no measured GPU is a relative of it", hw.Name)
	}
	d := newDevice(hw)
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", hw.Name, err)
	}
	k := composedKey{hw.Name, d}
	if p, ok := composed.Load(k); ok {
		return p.(*Profile), nil
	}
	p, _ := composed.LoadOrStore(k, compose(hw.Name, d, embedded()))
	return p.(*Profile), nil
}

// With is For with profiles of one's own put before the embedded ones.
func With(hw *hardware.Profile, own *Profile) (*Profile, error) {
	d := newDevice(hw)
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", hw.Name, err)
	}
	if own.hardware == hw.Name {
		same := *own // the same card under a newer datasheet
		same.device = d
		own = &same
	}
	return compose(hw.Name, d, append([]*Profile{own}, embedded()...)), nil
}

// IsFitted reports whether a device's products and attention were measured.
func IsFitted(hw *hardware.Profile) bool {
	if !gpu(hw) {
		return false
	}
	d := newDevice(hw)
	for _, p := range embedded() {
		if p.hardware == hw.Name && p.device == d {
			return p.basis[ClassGEMM].Kind == Fitted && p.basis[ClassDecode].Kind == Fitted
		}
	}
	return false
}

// gpu reports whether a device is one that GPU kernels run on.
func gpu(hw *hardware.Profile) bool { return hw.Vendor == "NVIDIA" || hw.Vendor == "AMD" }
