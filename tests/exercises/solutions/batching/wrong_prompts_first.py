"""Wrong: prompts take the budget before the rows that decode."""


def serve(requests, slots, budget):
    prompts = [prompt for prompt, _ in requests]
    answers = [answer for _, answer in requests]
    waiting, running, steps = list(range(len(requests))), [], []
    while waiting or running:
        step = {}
        left = budget - len(step)
        while True:
            for request in sorted(running, key=lambda r: not prompts[r]):
                if request not in step and left:
                    step[request] = min(prompts[request] or 1, left)
                    left -= step[request]
            if not waiting or len(running) == slots or not left:
                break
            running.append(waiting.pop(0))
        for request, tokens in step.items():
            if prompts[request]:
                prompts[request] -= tokens
                answers[request] -= not prompts[request]
            else:
                answers[request] -= 1
        running = [request for request in running if answers[request]]
        steps.append(step)
    return steps
