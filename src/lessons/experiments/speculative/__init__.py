"""The chapter on speculative decoding: what verification costs, tokens a pass, and speed-ups by kind of prompt."""

from lessons.experiments.speculative.speed_up import SpeedUp
from lessons.experiments.speculative.tokens import TokensPerPass
from lessons.experiments.speculative.verify_cost import CudaVerifyCost, VerifyCost

verify_cost = VerifyCost()
tokens = TokensPerPass()
speed_up = SpeedUp()
cuda = CudaVerifyCost()

EXPERIMENTS = [verify_cost, tokens, speed_up, cuda]
