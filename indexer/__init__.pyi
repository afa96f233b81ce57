from attridex.indexer.building.build import Built as Built
from attridex.indexer.config import Config as Config
from attridex.indexer.config import load_config as load_config
from attridex.indexer.errors import AttridexError as AttridexError
from attridex.indexer.renewal.building import build as build
from attridex.indexer.trainers.from_trainer import from_trainer as from_trainer
from attridex.indexer.training.finetuning import finetune as finetune
from attridex.indexer.training.keeping import KeepCheckpoints as KeepCheckpoints
