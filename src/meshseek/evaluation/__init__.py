"""How good a search is: judged queries, measures with intervals, comparisons, and public benchmarks."""
