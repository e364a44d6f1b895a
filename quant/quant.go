// Package quant reads what a checkpoint says of its quantisation, in the
// quantization_config of a Hugging Face config.json or in ModelOpt's hf_quant_config.json,
// and answers for each module in which format its weight is stored.
//
// Modules are named as in the checkpoint ("model.layers.0.self_attn.q_proj"). What is
// said of names is matched as the tool that wrote it matches them; leading parts that
// differ between versions of a checkpoint ("model.", "model.language_model.") do not
// matter, except to regular expressions, which see the whole name.
//
// A method, field or value that is not understood is an error naming it: a wrong guess
// would be off by a factor of four.
package quant

import (
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

// Class is what kind of module a weight belongs to: tools convert some and leave others.
type Class uint8

// The classes.
const (
	Other     Class = iota // norms, convolutions, decay rates: never converted
	Linear                 // a linear map
	Expert                 // a linear map of one expert
	Router                 // the linear map that scores experts
	Head                   // the language-model head
	Embedding              // the input embedding
)

// Module is a weight by its module's name.
type Module struct {
	Name  string
	Class Class
}

// Rules say in which format each module of a checkpoint is stored.
type Rules struct {
	Method string          // who quantised, for people: "awq", "compressed-tensors"
	KV     precision.DType // format the checkpoint calibrated its KV cache for, or Unset
	Notes  []string        // what was set aside

	keep      matcher    // modules left as they were
	overrides []override // first match decides
	groups    []override // first match decides
	whole     bool       // only matrices whose rows are whole groups are converted (MLX)
}

// override is a format for the modules that match; the zero format leaves them alone.
type override struct {
	of     matcher
	format formats.Format
}

// Format returns how the weight [out, in] of a module is stored; ok is false where it is
// left unconverted.
func (r *Rules) Format(m Module, out, in int) (f formats.Format, ok bool) {
	if r == nil || m.Class == Other {
		return formats.Format{}, false
	}
	for i := range r.overrides {
		if r.overrides[i].of.named(m) {
			return r.fitting(r.overrides[i].format, in)
		}
	}
	if r.keep.matches(m) {
		return formats.Format{}, false
	}
	for i := range r.groups {
		if r.groups[i].of.matches(m) {
			return r.fitting(r.groups[i].format, in)
		}
	}
	return formats.Format{}, false
}

func (r *Rules) fitting(f formats.Format, in int) (formats.Format, bool) {
	if !f.Said() || r.whole && f.Group() > 0 && in%f.Group() != 0 {
		return formats.Format{}, false
	}
	return f, true
}

// SetsExpertsApart reports whether a rule may tell one expert of a layer from another;
// otherwise asking for one answers for all.
func (r *Rules) SetsExpertsApart() bool {
	if r == nil {
		return false
	}
	if r.keep.numbersExperts() {
		return true
	}
	for _, list := range [][]override{r.overrides, r.groups} {
		for i := range list {
			if list[i].of.numbersExperts() {
				return true
			}
		}
	}
	return false
}

// Prefix is what the checkpoint's names of layers start with if the rules show it
// ("model.language_model."), else "".
func (r *Rules) Prefix() string {
	if r == nil {
		return ""
	}
	for _, p := range []string{"model.language_model.", "language_model.model.", "backbone."} {
		if r.keep.mentions(p) {
			return p
		}
		for _, list := range [][]override{r.overrides, r.groups} {
			for i := range list {
				if list[i].of.mentions(p) {
					return p
				}
			}
		}
	}
	return ""
}

// Read reads a quantization_config. field names the object in errors; weights is the
// number format of what is left unconverted.
func Read(field string, config map[string]any) (*Rules, error) {
	o := newObject(field, config)
	r := &Rules{}
	method := o.text("quant_method", "")
	r.Method = method
	switch method {
	case "gptq":
		r.gptq(o)
	case "awq":
		r.awq(o)
	case "auto-round", "autoround", "intel/auto-round":
		r.autoRound(o)
	case "bitsandbytes", "bnb", "bitsandbytes_4bit", "bitsandbytes_8bit":
		r.bitsandbytes(o)
	case "fp8":
		r.fp8(o)
	case "fbgemm_fp8":
		r.fbgemm(o)
	case "mxfp4":
		r.mxfp4(o)
	case "bitnet":
		r.bitnet(o)
	case "compressed-tensors", "compressed_tensors":
		r.compressedTensors(o)
	case "modelopt", "modelopt_fp4", "modelopt_fp8", "modelopt_mixed":
		r.modelOpt(o)
	case "":
		_, bits := config["bits"]
		_, algo := config["quant_algo"]
		_, nested := config["quantization"]
		switch {
		case bits:
			r.mlx(o)
		case algo:
			r.modelOpt(o)
		case nested:
			return ReadModelOpt(field, config)
		default:
			o.fail("%s has no quant_method", field)
		}
	default:
		o.fail("%s.quant_method %s is not modelled (ridgeline reads %s)", field, quoted(method), methods)
	}
	o.finish()
	if o.err != nil {
		return nil, o.err
	}
	return r, nil
}

const methods = "auto-round, awq, bitnet, bitsandbytes, compressed-tensors, fbgemm_fp8, fp8, gptq, modelopt, mxfp4 and MLX"

// ReadModelOpt reads the file hf_quant_config.json that Nvidia's ModelOpt writes beside
// config.json.
func ReadModelOpt(file string, config map[string]any) (*Rules, error) {
	top := newObject(file, config)
	top.skip("producer")
	q, ok := top.object("quantization")
	if !ok {
		top.fail("%s: field quantization is missing", file)
		return nil, top.err
	}
	r := &Rules{Method: "modelopt"}
	r.modelOpt(q)
	q.finish()
	top.finish()
	if top.err != nil {
		return nil, top.err
	}
	return r, nil
}

// linear matches what tools convert where nothing else is said: every linear map but
// routers, which are kept exact, and the head.
func linear() matcher { return matcher{classes: classes(Linear, Expert)} }

func classes(of ...Class) (set uint16) {
	for _, c := range of {
		set |= 1 << c
	}
	return set
}
