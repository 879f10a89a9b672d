"""Where acting and learning happen. The learner, the loop and the algorithm are the same for all three.

inline.py     in turns, in one process; repeatable to the bit
processes.py  actors are processes of one node; chunks of rows and parameters go through shared memory
ray.py        actors are Ray actors, on several nodes of one allocation

The last two send the same chunks (chunks.py), played by the same player.py, and rows.py hands their rows to the loop
one at a time, so that learning keeps to its clock of frames whatever the speed of the actors: those who are ahead wait.
"""
