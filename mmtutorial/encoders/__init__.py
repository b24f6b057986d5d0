"""From photos and titles to vectors (lessons 02 to 05).

Read in this order: ``photos`` (prepare, denoise, augment), ``by_hand`` (convolution and PCA written
out), ``images`` (CNN and ResNet), ``tokenisers``, ``word2vec``, ``bert``, ``text`` (LSTM, BERT and
the other text encoders by name), ``understanding`` (sentiment, and the roles of words).
"""
