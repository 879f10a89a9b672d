"""Where acting and learning happen. The loop and the algorithm are the same for all (iteration.py has the protocol).

inline.py            in turns, in one process; repeatable to the bit
actors/processes.py  actors are processes of one node; chunks of rows and parameters go through shared memory
actors/ray.py        actors are Ray actors, on several nodes of one allocation
hogwild/             processes of one node that act and learn, without locks, on parameters in shared memory

The second and third send the same chunks (chunks.py), filled by the same rollout_worker.py, and rows.py hands their
rows to the learner one at a time, so that learning keeps to its clock of frames whatever the speed of the actors: those
who are ahead wait. pool.py starts the processes of actors/processes.py and hogwild/, and starts dead ones again.
"""
