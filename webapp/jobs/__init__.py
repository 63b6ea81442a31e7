"""Work that takes time: many decisions at once, imports, exports, reconciliations.

The pages only write a job down and hand it to the queue, in one transaction. A worker does it in bounded steps; what a
step did and how far the job has come by it are committed together, and only by whoever holds the job. So a worker that
is killed loses at most the step it was at, whoever takes the job up goes on from there, and nothing is done twice.
"""
