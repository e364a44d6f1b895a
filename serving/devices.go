package serving

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
)

// splits returns an error for a way of using several devices that an engine does not have, or
// that it prices differently.
//
//   - Experts are spread over all devices of all groups, or (within one group) over none in vLLM
//     (--enable-expert-parallel); SGLang and TensorRT-LLM also spread them over a part of a group.
//   - Groups that do not spread experts are replicas in vLLM and SGLang, where the model has no
//     experts; vLLM would divide those by tensor parallelism over all groups.
//   - TensorRT-LLM's attention_dp makes every device a group of its own.
func (p *Profile) splits(c *costmodel.Compiled) error {
	family, _, _ := strings.Cut(p.Name, "-")
	tp, ep, dp := c.TP(), c.EP(), c.DP()
	refuse := func(why string, values ...any) error {
		return fmt.Errorf("%s: %s "+why, append([]any{c.Ranks(), p.Name}, values...)...)
	}
	if dp > 1 && p.Groups.Value == "none" {
		return refuse("has no data-parallel groups: replicas are as many engines of their own")
	}
	all := tp * dp
	switch {
	case family == "ideal":
	case dp > 1 && ep > 1 && ep != all:
		return refuse("spreads experts over all %d devices of its groups (ep %d) or over none", all, all)
	case family == "vllm" && dp > 1 && ep == 1 && c.HasExperts():
		return refuse("divides the experts of all groups by tensor parallelism where it does not spread them, which is not priced: ep %d spreads them", all)
	case family == "trtllm" && dp > 1 && tp > 1:
		return refuse("makes every device a group of its own (attention_dp): tp 1 dp %d", all)
	case family == "trtllm" && dp > 1 && ep == 1 && c.HasExperts():
		return refuse("divides experts by tensor parallelism where it does not spread them, which is not priced: ep %d spreads them", all)
	case family == "vllm" && ep > 1 && ep != all:
		return refuse("spreads experts over all %d devices of a replica, not over ep %d", all, ep)
	}
	return nil
}

// share works out which part of an engine's limits each group and pipeline stage has.
func (d *Deployment) share(c *costmodel.Compiled) {
	p, l := d.Profile, d.Limits
	if c.Devices() == c.TP() {
		return
	}
	l.Groups, l.Together, l.Stages = c.DP(), c.Together(), c.PP()
	l.InTurn = p.Balance.Value == "turn"
	if strings.HasPrefix(p.Name, "trtllm") {
		l.Together = l.Groups // the groups plan each step together, whether or not there are experts
	}
	if n := l.Together; n > 1 && p.Groups.Value == "share" {
		l.Seqs, l.Budget = max(l.Seqs/n, 1), max(l.Budget/n, 1)
		// schedule_conservativeness is 0.3 times the value given (server_args.py).
		l.Ratio.Initial, l.Ratio.Least = 0.3*l.Ratio.Initial, 0.3*l.Ratio.Least
	}
	if l.Stages > 1 {
		l.Lookahead = false // the next microbatch is scheduled meanwhile
		switch p.Stages.Value {
		case "part":
			l.Micro = max(l.Seqs/l.Stages, 1)
		case "each":
			l.Micro = l.Seqs
			l.Seqs *= l.Stages
		case "virtual":
			l.Virtual = true
		}
	}
}

// together refuses settings that engines do not have over several groups or stages, or that are not
// simulated there. SGLang refuses drafts and mixed chunks in a pipeline (srt/server_args.py,
// check_server_args).
func (d *Deployment) together(c *costmodel.Compiled, s *costmodel.Speculation) error {
	l := d.Limits
	if c.Devices() == c.TP() {
		return nil
	}
	if s != nil && s.Tokens > 0 {
		return fmt.Errorf("%s: drafts are simulated on one group of devices without pipeline stages alone (SGLang refuses them in a pipeline): give tp, and replicas", c.Ranks())
	}
	if l.MixedChunk && l.Stages > 1 {
		return fmt.Errorf("%s: SGLang refuses mixed chunks in a pipeline", c.Ranks())
	}
	return nil
}
