"""Where acting and learning happen. The loop and the algorithm are the same for all.

inline.py     in turns, in one process; repeatable to the bit
processes.py  actors are processes of one node; chunks of rows and parameters go through shared memory
ray.py        actors are Ray actors, on several nodes of one allocation
hogwild.py    processes of one node that act and learn, without locks, on parameters in shared memory

The second and third send the same chunks (chunks.py), played by the same rollout_worker.py, and rows.py hands their rows to
the loop one at a time, so that learning keeps to its clock of frames whatever the speed of the actors: those who are
ahead wait. pool.py starts the processes of processes.py and hogwild.py and starts the dead ones anew.
"""
