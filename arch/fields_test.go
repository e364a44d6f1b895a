package arch

import (
	"reflect"
	"testing"
)

// Every number and flag of a mixer or an FFN is in its list of fields, or is a reference
// to another layer or what the kind's name says: none can be lost by a file.
func TestFieldsListEverything(t *testing.T) {
	// What files say in another way: by the kind's name, or (references) by a label.
	elsewhere := map[string]bool{"GMU.Variant": true, "GMU.Normed": true, "MLP.Gated": true}
	check := func(name string, blank any, fields []Field) {
		v := reflect.New(reflect.TypeOf(blank)).Elem()
		v.Set(reflect.ValueOf(blank))
		for i := range v.NumField() {
			f := v.Type().Field(i)
			// What costs nothing is no matter of model files, which say what a decoder costs.
			free := f.Type.Kind() == reflect.Struct
			if f.Type == reflect.TypeFor[Ref]() || free || elsewhere[v.Type().Name()+"."+f.Name] {
				continue
			}
			found := 0
			for _, x := range fields {
				// A field of the list is this one if setting the list's shows here.
				before := v.Field(i).Interface()
				if changed := editOne(blank, x.Key); !reflect.DeepEqual(reflect.ValueOf(changed).Field(i).Interface(), before) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: %s is set by %d of the fields a file can give", name, f.Name, found)
			}
		}
		for _, x := range fields {
			if x.Doc == "" {
				t.Errorf("%s: field %s has no description", name, x.Key)
			}
		}
	}
	for _, k := range MixerKinds() {
		check(k.Name, k.Blank, Fields(k.Blank))
	}
	for _, k := range FFNKinds() {
		check(k.Name, k.Blank, FFNFields(k.Blank))
	}
}

// editOne changes one field of a mixer or FFN to something else.
func editOne(part any, key string) any {
	change := func(fields []Field) {
		for _, f := range fields {
			if f.Key != key {
				continue
			}
			switch p := f.Value.(type) {
			case *int:
				*p += 3
			case *bool:
				*p = !*p
			case *float64:
				*p += 3
			case *Activation:
				*p = (*p + 1) % 4
			case *MemoryKind:
				*p = (*p + 1) % 5
			}
		}
	}
	switch part := part.(type) {
	case Mixer:
		return part.edit(change)
	case FFN:
		return part.edit(change)
	}
	panic("neither mixer nor FFN")
}

// Changing the copy of a model, or a mixer taken out of it, leaves the model as it was.
func TestCloneIsACopy(t *testing.T) {
	m := &Model{Width: 8, Vocab: 8, Layers: []Layer{
		{Mixer: Mamba2{Heads: 2, HeadDim: 8, DState: 4, Groups: 1, DConv: 4}},
		{Mixer: Parallel{Mixers: []Mixer{Attention{Heads: 1, KVHeads: 1, HeadDim: 8}, Mamba1{DInner: 16, DState: 4, DConv: 4, DtRank: 1}}}},
	}}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	before := m.Summary()
	first := m.Layers[0].Mixer.(Mamba2)
	c := m.Clone()
	c.MapMixers(func(_ int, p Mixer) Mixer { return Attention{Heads: 1, KVHeads: 1, HeadDim: 1} })
	if _, ok := Vary(m.Layers[0].Mixer, "d_state", 99); !ok {
		t.Error("Mamba-2 has no d_state to vary")
	}
	if m.Summary() != before || m.Layers[0].Mixer != Mixer(first) {
		t.Errorf("the model changed: %s, %+v", m.Summary(), m.Layers[0].Mixer)
	}
}

// A pointer to a mixer is none: it would be shared by copies and missed by comparisons.
func TestCheckRefusesPointers(t *testing.T) {
	m := &Model{Width: 8, Vocab: 8, Layers: []Layer{{Mixer: &Attention{Heads: 1, KVHeads: 1, HeadDim: 8}}}}
	if err := m.Check(); err == nil {
		t.Error("a pointer to a mixer passes")
	}
	m = &Model{Width: 8, Vocab: 8, Layers: []Layer{{FFN: &MLP{Inner: 8}}}}
	if err := m.Check(); err == nil {
		t.Error("a pointer to an FFN passes")
	}
}
