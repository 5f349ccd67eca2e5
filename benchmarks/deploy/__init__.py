"""Measures a release against the sandbox: how long beside what its clouds took, and at what cost in CPU and memory.

    python -m benchmarks.deploy -o json                      the example's 27 services
    python -m benchmarks.deploy --services 300 -o json       a generated application
    python -m benchmarks.deploy --network harsh -o json      how many of 200 releases succeed on bad links

All times are seconds of this machine's clock while the sandbox runs `--profile realistic --time-scale 20`: what takes
20 s in life takes 1 s here. Our own work is not divided by anything, so an overhead counts twenty times as much here as
in life; ratios (over_floor, speedup) are therefore worse than in life, never better. Multiply by time_scale for what
the clouds would have taken. A wait that the application itself asks for (`min_ready`) is no cloud's duration and cannot
be scaled (Kubernetes counts whole seconds): it is set to 0 here.

What is measured is `orchestrator.release.release` of a plan that was made before, with the clusters and node pools
already there (`--bake 0`: nothing is watched afterwards), in a process of its own; polling, watching, verifying and
recording are inside.

sequential_s      One action after the other, each for exactly as long as was drawn for it: nothing of ours makes it
                  longer. Checked: at most 1.05 x the sum of all that was drawn.
drawn_s           The sum of all durations that the sandbox drew during the release.
critical_path_s   The longest chain of drawn durations over true dependencies: a service after all that it requires,
                  a load balancer after nothing. Waves, node pools, polling and our own edges are not in it.
makespan_s        From the start of the release until its revision is recorded as deployed.
over_floor        makespan_s / critical_path_s.
speedup           sequential_s / makespan_s.
engine_cpu_s      CPU seconds, user and system, of the deploying process during the release; the sandbox is another
                  process. plan_cpu_s: the same for making the plan (imports, placement, policies).
peak_mib          Largest resident size of that process, planning included.
rate_limited_s    Seconds that calls waited for our own rate limiter, summed over threads.
cold_start        What came before: clusters, networks and node pools, created in their own release.
"""
