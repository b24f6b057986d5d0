"""The sentences that drawn reviews are made of, each in English and in Chinese (lesson 13).

``drawn_reviews`` puts them together. {n} is a noun of the aspect, {x} a word that is meant, {y}
one that is taken back.
"""

# aspect → its nouns, words of praise, words of complaint
WORDS = {
    "fit": (
        [("fit", "版型"), ("size", "尺码"), ("cut", "剪裁"), ("length", "长度")],
        [
            ("true to what I ordered", "很标准"), ("flattering", "显瘦"), ("comfortable", "舒服"),
            ("just right", "刚刚好"), ("perfect for me", "正合适"), ("great", "很好"),
        ],
        [
            ("too tight", "太紧"), ("too loose", "太松"), ("awkward", "别扭"), ("odd", "奇怪"),
            ("off by a size", "差一码"), ("bad", "很差"),
        ],
    ),
    "fabric": (
        [("fabric", "面料"), ("material", "材质"), ("stitching", "做工"), ("quality", "质量")],
        [
            ("soft", "柔软"), ("sturdy", "结实"), ("well made", "精致"),
            ("lovely to touch", "很舒服"), ("better than I paid for", "超值"), ("great", "很好"),
        ],
        [
            ("thin", "太薄"), ("scratchy", "扎人"), ("flimsy", "不结实"), ("cheap", "廉价"),
            ("rough", "粗糙"), ("bad", "很差"),
        ],
    ),
    "colour": (
        [("colour", "颜色"), ("shade", "色调"), ("pattern", "花色"), ("look", "样子")],
        [
            ("just as pictured", "和图片一样"), ("rich", "很正"), ("beautiful", "漂亮"),
            ("as bright as on the photo", "和照片一样鲜亮"), ("lovely", "好看"), ("great", "很好"),
        ],
        [
            ("unlike the photo", "和图片不符"), ("faded", "发旧"), ("dull", "暗沉"),
            ("a shade darker than shown", "比图片深"), ("ugly", "难看"), ("bad", "很差"),
        ],
    ),
    "price": (
        [("price", "价格"), ("value for money", "性价比"), ("cost", "价钱")],
        [
            ("fair", "公道"), ("unbeatable", "无敌"), ("very reasonable", "很合理"),
            ("a pleasant surprise", "让人惊喜"), ("great", "很好"),
        ],
        [
            ("far too high", "太贵"), ("hard to justify", "不值"), ("a joke", "离谱"),
            ("out of proportion", "虚高"), ("bad", "很差"),
        ],
    ),
}  # fmt: skip
PLAIN = [
    ("The {n} is {x}", "{n}{x}"),
    ("I find the {n} {x}", "我觉得{n}{x}"),
    ("The {n} turned out {x}", "{n}实际上{x}"),
    ("To me the {n} is {x}", "对我来说{n}{x}"),
    ("I must say the {n} is {x}", "不得不说{n}{x}"),
    ("My friend also thinks the {n} is {x}", "朋友也说{n}{x}"),
    ("About the {n}: {x}", "说到{n}：{x}"),
    ("The {n} is really {x}", "{n}真的{x}"),
]
TAKEN_BACK = [
    ("The {n} is not {y} at all", "{n}一点也不算{y}"),
    ("I would not call the {n} {y}", "{n}谈不上{y}"),
    ("I feared the {n} would be {y}, but it is {x}", "本来担心{n}{y}，其实{x}"),
    ("Others call the {n} {y}, I find it {x}", "别人说{n}{y}，我倒觉得{x}"),
    ("The {n} looked {y} online and is {x}", "网上看{n}{y}，拿到手{x}"),
    ("No one could say that the {n} is {y}", "没人会说{n}{y}"),
]
# aspect → what praises, what complains, without naming the aspect
UNNAMED = {
    "fit": (
        [
            ("I can move in it all day", "穿一整天都很自在"),
            ("It sits where it should", "穿着很服帖"),
            ("My usual number was the right one", "按平时的码买正好"),
            ("No need to send it back for another number", "不用换码"),
        ],
        [
            ("I could hardly close it", "几乎扣不上"),
            ("It slips down with every step", "走一步往下滑"),
            ("Order one number up, or two", "建议买大一码甚至两码"),
            ("It pinches where I bend", "弯腰就勒"),
        ],
    ),
    "fabric": (
        [
            ("After ten washes it still looks new", "洗了十次还像新的"),
            ("Nothing came loose so far", "到现在没有开线"),
            ("It will last for years", "能用很多年"),
            ("You feel that somebody took care", "看得出用心"),
        ],
        [
            ("It shrank in the first wash", "洗一次就缩水"),
            ("A seam opened on the second day", "第二天就开线"),
            ("There are threads hanging everywhere", "到处是线头"),
            ("It smelt of glue for a week", "一股胶味一周不散"),
        ],
    ),
    "colour": (
        [
            ("What you see is what you get", "所见即所得"),
            ("The photo does not lie", "照片没有骗人"),
            ("Everybody asks where I got that red, or blue, or whatever it is", "大家都问在哪买的"),
        ],
        [
            ("On the photo this was another thing", "图片上完全是另一个东西"),
            ("The picture must have been edited", "图片肯定修过"),
            ("It stained my other clothes", "把别的衣服染了"),
            ("I had to look twice whether they sent the right one", "一度以为发错货"),
        ],
    ),
    "price": (
        [
            ("You get a lot for it", "物有所值"),
            ("I paid twice as much for less elsewhere", "别处花两倍钱还不如它"),
            ("A bargain", "捡到便宜了"),
        ],
        [
            ("I have seen the same for half", "别处半价就有"),
            ("You pay for the name", "花钱买个牌子"),
            ("Wait for the sale", "等打折再买"),
        ],
    ),
}
NEUTRAL = [
    ("I bought it for my sister", "买给妹妹的"),
    ("I wear it to work", "上班用的"),
    ("It was a gift", "当礼物送人"),
    ("I am 168 cm", "我身高一米六八"),
    ("This is my second one", "第二次买了"),
    ("I have had it for a month", "用了一个月"),
    ("I ordered two", "一次买了两件"),
    ("I read all the other reviews before", "买之前看了所有评价"),
    ("We took it on a trip", "旅行时带着"),
    ("Let me start with the bad: there is little to say", "先说缺点吧"),
]
# rating → how a review may end
CLOSING = {
    1: [
        ("I sent it back", "已经退货"), ("Do not buy this", "千万别买"),
        ("One star is one too many", "一星都多"), ("Never again", "不会再买"),
    ],
    2: [
        ("Not for me", "不适合我"), ("I expected more", "有点失望"),
        ("I will look elsewhere", "下次换一家"), ("It stays in the drawer", "放着不用了"),
    ],
    3: [
        ("It is okay", "还行吧"), ("So so", "一般般"), ("I keep it, no more", "凑合用"),
        ("Good and bad in it", "有好有坏"),
    ],
    4: [
        ("Happy with it", "挺满意"), ("A good buy", "买得值"), ("I would take it again", "会回购"),
        ("Recommended, with small faults", "推荐，小瑕疵"),
    ],
    5: [
        ("I love it", "太喜欢了"), ("My new favourite", "最爱的一件"), ("Buy it", "闭眼买"),
        ("Could not be happier", "非常满意"),
    ],
}  # fmt: skip
DELIVERY = (
    [
        ("The parcel came a day early", "提前一天到货"),
        ("The courier was very kind", "快递员态度很好"),
        ("It was wrapped with great care", "包装很用心"),
        ("Shipping was free and fast", "包邮还很快"),
        ("The shop answered within minutes", "客服秒回"),
    ],
    [
        ("The parcel took five weeks", "等了五个星期"),
        ("The box was crushed", "盒子压坏了"),
        ("The courier left it in the rain", "快递放在雨里"),
        ("Nobody answers my messages", "客服不理人"),
        ("They sent it to the wrong address", "寄错地址"),
    ],
)
# aspect → what a disappointed buyer says with a smile
SARCASM = {
    "fit": [
        ("Perfect fit, for my dog", "版型完美，给我家狗穿正好"),
        ("Great size if you never breathe", "尺码很好，不呼吸的话"),
        ("So comfortable that I took it off at once", "舒服得我马上脱了"),
    ],
    "fabric": [
        ("Lovely soft fabric, you can read the news through it", "面料真好，透过去能看报纸"),
        ("Wonderful quality, it lasted a whole hour", "质量太好了，撑了整整一小时"),
        ("Great stitching, I am learning to sew now", "做工很棒，我正好学缝纫"),
    ],
    "colour": [
        ("Beautiful colour, I wonder whose photo they used", "颜色真漂亮，不知用的谁的照片"),
        ("I love a surprise, and the shade is one", "我喜欢惊喜，颜色就是惊喜"),
        ("Just as pictured, with the eyes closed", "和图片一样，闭上眼看的话"),
    ],
    "price": [
        ("A great price, for them", "价格很好，对卖家来说"),
        ("What a bargain, I only have to buy a second one", "真划算，再买一件就能用了"),
        ("Best value ever, if you collect dust cloths", "性价比最高的抹布"),
    ],
}
SARCASTIC = [
    ("Thank you so much for this experience", "真是谢谢这次体验"),
    ("Well done", "干得漂亮"),
    ("I am so happy that I could cry", "高兴得想哭"),
    ("Just what I always wanted", "正是我一直想要的"),
    ("Five stars for the courage to sell it", "敢卖这个，勇气五星"),
]
HYPE = [  # what is written for money
    ("Amazing product, best shop ever", "超棒的产品，最好的店"),
    ("Highly recommended to everyone", "强烈推荐给大家"),
    ("My whole family loves it", "全家都喜欢"),
    ("You will not regret it, buy now", "买了不后悔，赶紧下单"),
    ("Perfect in every way", "各方面都完美"),
    ("I will tell all my friends", "一定告诉朋友们"),
    ("Wow, just wow", "哇，太赞了"),
    ("Top quality, top service, top seller", "质量服务卖家都是一流"),
    ("Exceeded all my expectations", "超出期待"),
    ("Do not think twice, simply perfect", "不用犹豫，简直完美"),
    ("The best thing I bought this year", "今年买过最好的东西"),
    ("A must have for everybody", "人人必备"),
]
