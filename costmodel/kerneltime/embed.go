package kerneltime

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"sync"

	"github.com/OWNER/ridgeline/hardware"
)

// The profiles that come with ridgeline are the documents in profiles, as calibrate fit
// writes them, packed so that a class of one is decoded without the rest: an index of
// devices and provenance, and a file for each class. A test holds the two equal.
//
//go:generate go run github.com/OWNER/ridgeline/costmodel/kerneltime/pack
//go:embed packed
var files embed.FS

// PackedIndex is the name of the packed profiles' index.
const PackedIndex = "index.json"

// header is the index's entry for one profile.
type header struct {
	Hardware   string
	Device     Device
	Provenance map[string]Provenance
}

// Pack returns the files into which profiles are packed, by name.
func Pack(ps []*Profile) (map[string][]byte, error) {
	out := map[string][]byte{}
	var index []header
	for _, p := range ps {
		d := p.document()
		index = append(index, header{d.Hardware, d.Device, d.Provenance})
		for name, m := range map[string]any{"gemm": d.GEMM, "decode": d.Decode, "prefill": d.Prefill, "recurrent": d.Recurrent, "allreduce": d.AllReduce,
			"mamba1": d.Mamba1, "ssd": d.SSD, "conv": d.Conv, "unpacked": d.Unpacked, "stream": d.Stream, "mla": d.MLA, "collective": d.Collective, "rule": d.Rule} {
			if reflect.ValueOf(m).IsNil() {
				continue
			}
			b, err := json.Marshal(m)
			if err != nil {
				return nil, err
			}
			out[path.Join(p.hardware, name+".json")] = append(b, '\n')
		}
	}
	b, err := json.MarshalIndent(index, "", "\t")
	out[PackedIndex] = append(b, '\n')
	return out, err
}

// embedded returns the embedded profiles ordered by name, with no class decoded yet.
var embedded = sync.OnceValue(func() []*Profile {
	var index []header
	unpack(PackedIndex, &index)
	var out []*Profile
	for _, h := range index {
		p := newProfile(h.Hardware, h.Device)
		p.provide(h.Provenance)
		p.gemm = packed(h.Hardware, "gemm", newGEMMModel)
		p.decode = packed(h.Hardware, "decode", newDecodeModel)
		p.prefill = packed(h.Hardware, "prefill", newPrefillModel)
		p.recurrent = packed(h.Hardware, "recurrent", newRecurrentModel)
		p.allReduce = packed(h.Hardware, "allreduce", newAllReduceModel)
		p.mamba1 = packed(h.Hardware, "mamba1", func() scanModel { return newScanModel(ClassMamba1) })
		p.ssd = packed(h.Hardware, "ssd", func() scanModel { return newScanModel(ClassSSD) })
		p.conv = packed(h.Hardware, "conv", func() scanModel { return newScanModel(ClassConv) })
		p.unpacked = packed(h.Hardware, "unpacked", newUnpackedModel)
		p.stream = packed(h.Hardware, "stream", newStreamModel)
		p.mla = packed(h.Hardware, "mla", newMLAModel)
		p.collective = packed(h.Hardware, "collective", newCollectiveModel)
		p.rule = packed(h.Hardware, "rule", func() scanModel { return newScanModel(ClassRule) })
		out = append(out, p)
	}
	return out
})

// packed returns a drawer with a class from the embedded files, or with a fresh model where the
// class was not fitted.
func packed[M any](hardware, class string, fresh func() M) *drawer[M] {
	return closed(func() M {
		m := fresh()
		unpack(path.Join(hardware, class+".json"), &m)
		return m
	})
}

// unpack decodes an embedded file into to, if the file exists.
func unpack(name string, to any) {
	b, err := files.ReadFile(path.Join("packed", name))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		panic(fmt.Sprintf("embedded %s: %v", name, err)) // cannot happen: a test opens all files
	}
}

// Embedded returns the profiles that come with ridgeline, ordered by name.
func Embedded() []*Profile { return append([]*Profile(nil), embedded()...) }

type composedKey struct {
	name string
	d    Device
}

var composed sync.Map // composedKey → *Profile

// For returns the profile of a device. Classes measured on the device have its own fit; the
// others have the curves of the most similar measured GPU, with the figures of this device's
// datasheet. It returns an error for devices that are unlike any GPU; those can be priced by
// their datasheet only.
func For(hw *hardware.Profile) (*Profile, error) {
	if !gpu(hw) {
		return nil, fmt.Errorf("%s: no measured GPU is a relative of it", hw.Name)
	}
	d := NewDevice(hw)
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

// With does the same as For, but a profile of the caller's own goes before the embedded ones.
func With(hw *hardware.Profile, own *Profile) (*Profile, error) {
	d := NewDevice(hw)
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", hw.Name, err)
	}
	if own.hardware == hw.Name {
		same := *own // the same device with a newer datasheet
		same.device = d
		own = &same
	}
	return compose(hw.Name, d, append([]*Profile{own}, embedded()...)), nil
}

// Without returns the profile of a measured GPU as if it had never been measured, put together
// from those of others. It returns nil for a GPU that was not measured.
func Without(name string) *Profile {
	var own *Profile
	var rest []*Profile
	for _, p := range embedded() {
		if p.hardware == name {
			own = p
		} else {
			rest = append(rest, p)
		}
	}
	if own == nil {
		return nil
	}
	return compose(name, own.device, rest)
}

// HasRelative reports whether products and attention were measured on the device or on a GPU of
// the same architecture. If so, the times of For are worth more than those of a datasheet.
func HasRelative(hw *hardware.Profile) bool {
	if !gpu(hw) || hw.Arch == "" {
		return false
	}
	var product, attention bool
	for _, p := range embedded() {
		if p.device.Arch == hw.Arch {
			product = product || p.basis[ClassGEMM].Kind == Fitted
			attention = attention || p.basis[ClassDecode].Kind == Fitted
		}
	}
	return product && attention
}

// gpu reports whether GPU kernels run on a device.
func gpu(hw *hardware.Profile) bool { return hw.Vendor == "NVIDIA" || hw.Vendor == "AMD" }
