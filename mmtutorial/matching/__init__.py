"""Photos and words in one space (lessons 06 to 09, 24).

Read in this order: ``contrastive`` (the dual encoder and its loss), ``training`` (the one loop that
trains all models here), ``retriever`` (the trained model, its checkpoint, and ``load`` for any
kind), ``alignment`` (α and β), ``fusion`` (the methods by name), ``fused_space``, ``ranking``
(losses), ``candidates``, ``rankers``. The stronger model of the capstone stands in
``attribute_labels``, ``attribute_encoder``, ``attribute_retriever`` and ``attribute_training``.
"""
