"""Wrong: requests join only when no other runs, as in a static batch."""


def serve(requests, slots, budget):
    prompts = [prompt for prompt, _ in requests]
    answers = [answer for _, answer in requests]
    waiting, running, steps = list(range(len(requests))), [], []
    while waiting or running:
        opens = not running
        step = {request: 1 for request in running if not prompts[request]}
        left = budget - len(step)
        while True:
            for request in running:
                if request not in step and prompts[request] and left:
                    step[request] = min(prompts[request], left)
                    left -= step[request]
            if not waiting or len(running) == slots or not left or not opens:
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
