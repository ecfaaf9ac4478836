"""Calls of a SavedModel's signature by TensorFlow."""

import sys

import tensorflow as tf
import turns

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
restored = tf.saved_model.load(sys.argv[2])
turns.answer(lambda image: restored.serve(tf.constant(image)).numpy())
